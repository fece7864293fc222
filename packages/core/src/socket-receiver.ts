// socket-receiver.ts — the receiving side of a socket: multishot receive, pause and resume, the peer's end and its resets.
import { constants, errno, getsockoptInt } from "@percore/native";
import type { BufferGroup, Starved } from "./buffer-group.ts";
import { CoreError, SystemError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import { prepCancel } from "./op/cancel.ts";
import { KIND_RECV, KIND_WATCH } from "./op/kinds.ts";
import { prepPoll } from "./op/poll.ts";
import { bufferId, hasBuffer, prepRecvMultishot, prepRecvOne } from "./op/recv.ts";
import { isFinal } from "./ring.ts";
import type { Socket } from "./socket.ts";
import { STAT } from "./stats.ts";
import { WheelEntry } from "./wheel.ts";

/** How often a stream that cannot poll for a reset (the peer's FIN would answer at once) asks whether there was one. */
const RESET_CHECK_MS = 1000;
/**
 * A multishot receive empties the socket in one go, dozens of buffers, before a pause can reach it. So a stream receives
 * one buffer at a time until this many came without a pause, more than what a server keeps of a body before it pauses:
 * an upload that nobody takes overshoots by one buffer.
 */
const FIRST_RECEIVES = 8;
/** As many after a pause that came too late all the same. */
const SINGLE_RECEIVES = 64;
/** So full, every receive that is armed is a single one. */
const FULLNESS_SINGLE = 0.25;
/** So full, a stream that holds more than SHARE_BYTES back is reset: what others send has to lie somewhere too. */
const FULLNESS_SHED = 0.75;
/** What a paused stream may hold back however full the arena is. */
const SHARE_BYTES = 65_536;

//            attach                 pause, cancel queued          cancelled
//   idle ──────────────▶ armed ───────────────────▶ cancelling ───────────▶ idle
//                          │ no buffer           buffers are back
//                          └──────────▶ starved ──────────────▶ armed
const IDLE = 0;
const ARMED = 1;
const CANCELLING = 2;
const STARVED = 3;
/** Armed with a cap that the kernel may not know. */
const ARMED_CAPPED = 4;

export class SocketReceiver implements Starved {
  paused = false;
  /** The owner was told that the peer has ended. */
  peerEnded = false;
  readonly #socket: Socket;
  readonly #group: BufferGroup;
  #state = IDLE;
  /** Receives that are still to be armed one at a time. */
  #single = FIRST_RECEIVES;
  #held: Lease[] | null = null;
  #heldBytes = 0;
  /** The peer's FIN was received. */
  #sawEnd = false;
  /** A poll for hang-ups is in flight; the peer's FIN is there, so that another would fire at once. */
  #watching = false;
  #finThere = false;
  #resetCheck: WheelEntry | null = null;

  constructor(socket: Socket, group: BufferGroup) {
    this.#socket = socket;
    this.#group = group;
  }

  /** A receive is under way, or will be as soon as there are buffers: how the connection ends will be seen here. */
  get receiving(): boolean {
    return this.#armed || this.#state === STARVED;
  }

  /** Puts bytes back before everything that has not been delivered. */
  unread(lease: Lease): void {
    const kept = lease.transient ? lease.copy() : lease;
    this.#heldBytes += kept.blockSize;
    if (this.#held === null) this.#held = [kept];
    else this.#held.unshift(kept);
  }

  onRecv(result: number, flags: number): void {
    const socket = this.#socket;
    const final = isFinal(flags);
    const wasArmed = this.#state === ARMED;
    if (final) {
      socket.inflight -= 1;
      this.#state = IDLE;
    }
    if (hasBuffer(flags)) {
      const lease = this.#group.lease(bufferId(flags), Math.max(result, 0));
      if (result > 0) {
        if (final) socket.schedule();
        socket.stats[STAT.bytesReceived] += result;
        this.#deliver(lease);
        return;
      }
      lease.release();
    }
    if (-result === errno.EINVAL && !wasArmed) this.#onCapRefused();
    else if (result <= 0) this.#onEnd(result);
  }

  /** What was armed last had a cap, and the kernel knows none. */
  #onCapRefused(): void {
    this.#socket.ring.receiveCap = 0;
    this.#socket.schedule();
  }

  onWatch(result: number): void {
    this.#socket.inflight -= 1;
    this.#watching = false;
    if (result < 0 || !this.#socket.open) return;
    this.#finThere = true;
    if (!this.#closeIfReset()) this.#socket.schedule();
  }

  /** What a pause held back, and the peer's end after it. */
  deliverPending(): void {
    const socket = this.#socket;
    while (this.#held !== null && socket.handler !== null && !this.paused && socket.open) {
      const lease = this.#held.shift() as Lease;
      this.#heldBytes -= lease.blockSize;
      if (this.#held.length === 0) this.#held = null;
      socket.handler.onData(lease);
    }
    if (!this.#sawEnd || this.peerEnded || this.#held !== null) return;
    if (socket.handler === null || this.paused || !socket.open) return;
    this.peerEnded = true;
    socket.handler.onEnd();
  }

  /** Arms the receive, or cancels it, as things stand at the end of the batch. */
  settle(): void {
    if (this.#armed) {
      if (this.#wantsData) return;
      this.#state = CANCELLING;
      this.#socket.inflight += 1;
      prepCancel(this.#socket.ring, this.#socket, KIND_RECV);
    } else if (this.#state === IDLE) {
      if (this.#wantsData) this.#arm();
      else {
        if (this.#single > 0) this.#single = SINGLE_RECEIVES;
        this.#watch();
      }
    }
  }

  /** Buffers are back: receives again. */
  rearm(): boolean {
    if (this.#state !== STARVED) return false;
    this.#state = IDLE;
    if (!this.#socket.open) return false;
    if (this.#wantsData) {
      this.#arm();
      return true;
    }
    this.#socket.schedule();
    return false;
  }

  /** The socket has closed: what was held back goes nowhere. */
  dispose(): void {
    if (this.#resetCheck !== null) this.#socket.runtime.wheel.remove(this.#resetCheck);
    const held = this.#held;
    this.#held = null;
    if (held !== null) for (const lease of held) lease.release();
  }

  get #armed(): boolean {
    return this.#state === ARMED || this.#state === ARMED_CAPPED;
  }

  get #wantsData(): boolean {
    return this.#socket.handler !== null && !this.paused && !this.#sawEnd;
  }

  #deliver(lease: Lease): void {
    const socket = this.#socket;
    if (!socket.open) {
      lease.release();
    } else if (socket.handler !== null && !this.paused && this.#held === null) {
      socket.handler.onData(lease);
    } else {
      this.#hold(lease);
    }
  }

  /** Keeps it for later, in a block of its own: a paused stream must not pin receive buffers. */
  #hold(lease: Lease): void {
    const socket = this.#socket;
    if (this.#heldBytes >= SHARE_BYTES && lease.arena.fullness > FULLNESS_SHED) {
      lease.release();
      socket.stats[STAT.connectionsShed] += 1;
      socket.closeWith(new CoreError("ERR_ARENA_PRESSURE", `${this.#heldBytes} bytes were held back by a pause`), true);
      return;
    }
    const kept = lease.copy();
    this.#heldBytes += kept.blockSize;
    this.#held ??= [];
    this.#held.push(kept);
    if (this.paused) this.#single = SINGLE_RECEIVES;
    socket.schedule();
  }

  #onEnd(result: number): void {
    const socket = this.#socket;
    if (!socket.open) return;
    switch (-result) {
      case 0:
        if (socket.sender.failure !== null) socket.closeWith(socket.sender.failure, false);
        this.#sawEnd = true;
        socket.schedule();
        break;
      case errno.ENOBUFS:
        this.#state = STARVED;
        this.#group.starve(this);
        break;
      case errno.ECANCELED:
      case errno.EAGAIN:
      case errno.EINTR:
        socket.schedule();
        break;
      default:
        socket.closeWith(socket.sender.failure ?? new SystemError("recv", -result), false);
    }
  }

  #arm(): void {
    const socket = this.#socket;
    const { ring } = socket;
    this.#state = ARMED;
    socket.inflight += 1;
    if (this.#single > 0) {
      this.#single -= 1;
      prepRecvOne(ring, socket, socket.fd, this.#group.id);
    } else if (socket.runtime.arena.fullness > FULLNESS_SINGLE) {
      prepRecvOne(ring, socket, socket.fd, this.#group.id);
    } else {
      if (ring.receiveCap > 0) this.#state = ARMED_CAPPED;
      prepRecvMultishot(ring, socket, socket.fd, this.#group.id, ring.receiveCap);
    }
  }

  // — a reset while nothing is being received —

  #watch(): void {
    if (!this.#waits) return;
    if (this.#finThere || this.#sawEnd) {
      this.#resetCheck ??= new WheelEntry(() => this.#checkReset());
      if (this.#resetCheck.deadline === Number.POSITIVE_INFINITY) this.#checkLater(this.#resetCheck);
    } else if (!this.#watching) {
      this.#watching = true;
      this.#socket.inflight += 1;
      prepPoll(this.#socket.ring, this.#socket, KIND_WATCH, this.#socket.fd, 0);
    }
  }

  /** Open, and quiet in a way that hides a reset: paused, or the peer has ended and we have nothing to send yet. */
  get #waits(): boolean {
    const socket = this.#socket;
    if (socket.handler === null || !socket.open) return false;
    return this.paused || (this.#sawEnd && socket.sender.quiet);
  }

  #checkLater(entry: WheelEntry): void {
    this.#socket.runtime.wheel.set(entry, performance.now() + RESET_CHECK_MS);
  }

  #checkReset(): void {
    if (this.#waits && !this.#closeIfReset()) this.#checkLater(this.#resetCheck as WheelEntry);
  }

  #closeIfReset(): boolean {
    const error = getsockoptInt(this.#socket.fd, constants.SOL_SOCKET, constants.SO_ERROR);
    if (typeof error === "number" || error.value === 0) return false;
    this.#socket.closeWith(new SystemError("recv", error.value), false);
    return true;
  }
}
