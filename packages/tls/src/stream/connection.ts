// connection.ts — one TLS connection over the stream below: handshake, records both ways, and how it ends.
import { CoreError, type Lease, type Settler, type Stream, type StreamHandler, WheelEntry } from "@percore/core";
import type { SecureContext } from "@percore/native/tls";
import { TlsError } from "../errors.ts";
import { failure } from "./alerts.ts";
import { type Clock, type Turns, turnsOf } from "./clock.ts";
import { Opener } from "./opener.ts";
import { Sealer } from "./sealer.ts";
import { TlsThread } from "./thread.ts";
import {
  ACTIONS,
  ALERT_RECEIVED,
  ALERT_SENT,
  AWAITS_CONTEXT,
  ESTABLISHED,
  FAILED,
  HANDLE,
  HAS_SESSIONS,
  IN_LENGTH,
  IN_OFFSET,
  IN_USED,
  NEEDS_ROOM,
  NEEDS_SPILL,
  OUT_LENGTH,
  OUT_OFFSET,
  OUT_USED,
  PARTIAL,
  PEER_CLOSED,
  PLAIN_LENGTH,
  READ,
  RECORD_OVERHEAD_MAX,
  SHUTDOWN,
  SPILL_LENGTH,
  SPILL_OFFSET,
  SPILL_USED,
} from "./words.ts";

/** How long a peer that was told the end (by an alert, or both close_notifys) may take for its FIN before it is reset. */
const LINGER_MS = 1000;
const SPILL_BYTES = 16_384;

/** What a connection asks of whoever made it, until its handshake is complete or has failed. */
export interface HandshakeOwner {
  /** A step of the handshake is due. False: not now; `goOn` is called later. */
  mayStep(connection: Connection): boolean;
  /** A ClientHello waits for a context; answer with `connection.choose`. */
  onHello(connection: Connection, serverName: string | null): void;
  /** Called once. `error` null: established, and the owner may attach before this returns. */
  onShaken(connection: Connection, error: Error | null): void;
  /** A session that can be resumed has come. */
  onSession(connection: Connection): void;
}

//   handshake ── established ──▶ open ── both ended, reset, failure ──▶ closing ── the stream below has closed ──▶ closed
const HANDSHAKE = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

export class Connection implements StreamHandler, Settler {
  readonly inner: Stream;
  readonly thread: TlsThread;
  readonly clock: Clock;
  readonly sealer: Sealer;
  readonly opener: Opener = new Opener();
  readonly handle: number;
  handler: StreamHandler | null = null;
  readonly #turns: Turns;
  readonly #owner: HandshakeOwner;
  #state = HANDSHAKE;
  #flags = 0;
  #error: Error | null = null;
  /** It ended as it should; what becomes of the transport afterwards is of no interest. */
  #orderly = false;
  #innerEnded = false;
  /** Within a callback of the stream below, which settles when it is done. */
  #busy = false;
  #scheduled = false;
  #told = false;
  /** Input that waits for the handshake's turn or for a context: mostly one lease, a ClientHello. */
  #waiting: Lease[] | null = null;
  #held = false;
  #deadline: WheelEntry | null = null;

  /** @param handle an open session of the inner stream's arena; the connection's from now on. */
  constructor(inner: Stream, handle: number, clock: Clock, owner: HandshakeOwner) {
    this.inner = inner;
    this.handle = handle;
    this.clock = clock;
    this.thread = TlsThread.of(inner.arena);
    this.#owner = owner;
    this.#turns = turnsOf(clock);
    this.sealer = new Sealer(this);
  }

  get open(): boolean {
    return this.#state <= OPEN;
  }

  get closed(): boolean {
    return this.#state === CLOSED;
  }

  get closedError(): Error {
    return this.#error ?? new CoreError("ERR_STREAM_CLOSED", "the stream has closed");
  }

  get writable(): boolean {
    return this.#state === OPEN;
  }

  // — handshake —

  /** Begins; a client sends its first flight. 0 = no deadline. */
  start(timeoutMs: number): void {
    if (timeoutMs > 0) this.#setDeadline(timeoutMs);
    this.inner.attach(this);
  }

  /** The client's first flight. */
  greet(): void {
    this.#busy = true;
    this.#process(null);
    this.#busy = false;
  }

  /** Its turn has come, or it was told its context. */
  goOn(): void {
    this.#held = false;
    if (this.#state !== HANDSHAKE) {
      this.#dropWaiting();
      return;
    }
    this.guard(() => {
      this.#busy = true;
      try {
        this.#process(this.#shiftWaiting());
        while (this.#waiting !== null && !this.#held && this.open) this.#process(this.#shiftWaiting());
      } finally {
        this.#busy = false;
      }
      if (!this.open) this.#dropWaiting();
      if (this.#state === HANDSHAKE && !this.#held && this.inner.paused) this.inner.resume();
      this.settle();
    });
  }

  /** Answers `onHello`: the context to go on with, or the number of the alert to refuse by. */
  choose(choice: SecureContext | number): void {
    if (this.#state !== HANDSHAKE) return;
    this.thread.engine.choose(this.handle, choice);
    this.goOn();
  }

  /** Resets the connection. */
  abort(error: Error): void {
    if (!this.open) return;
    const early = this.#state === HANDSHAKE;
    this.#close(error);
    this.inner.reset();
    if (early) this.#owner.onShaken(this, error);
  }

  /** Runs what may throw where nobody would catch it: only this connection pays for it. */
  guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#turns.report(error);
      this.crash(error);
    }
  }

  // — from the stream below —

  onData(lease: Lease): void {
    switch (this.#state) {
      case HANDSHAKE:
        if (this.#held || !this.#owner.mayStep(this)) {
          this.#wait(lease);
          break;
        }
        this.#feed(lease);
        break;
      case OPEN:
        this.#feed(lease);
        break;
      default:
        lease.release();
    }
  }

  onEnd(): void {
    this.#innerEnded = true;
    if (!this.open || this.opener.sawEnd) return;
    if (this.#state === HANDSHAKE) {
      this.#fail(new TlsError("ERR_TLS_ENDED", "the peer ended the connection in the handshake"));
      return;
    }
    this.opener.failure = new TlsError("ERR_TLS_TRUNCATED", "the connection ended without close_notify");
    this.settleNow();
  }

  onDrain(): void {
    this.settleNow();
  }

  onClose(error: Error | null): void {
    const early = this.#state === HANDSHAKE;
    const cause = this.#error ?? (this.#orderly ? null : (error ?? this.#endOf()));
    this.#state = CLOSED;
    this.#error = cause;
    this.#clearDeadline();
    this.thread.engine.close(this.handle);
    this.#dropWaiting();
    this.opener.dispose();
    this.sealer.dispose(this.closedError);
    if (early) this.#owner.onShaken(this, this.closedError);
    this.#tellClosed();
  }

  // — from the owner of the TLS stream —

  attach(handler: StreamHandler): void {
    this.handler = handler;
    this.opener.moved();
    if (this.#state === CLOSED) queueMicrotask(() => this.#tellClosed());
    else this.schedule();
  }

  /** Has `settle` called at the end of this turn. */
  schedule(): void {
    if (this.#scheduled || this.#busy || this.#state === CLOSED) return;
    this.#scheduled = true;
    this.#turns.schedule(this);
  }

  /** Delivers what was held back, encrypts what was written, lets the stream below go on or stop. */
  settle(): void {
    this.#scheduled = false;
    if (this.#state !== OPEN) return;
    this.#deliverHeld();
    if (this.#state !== OPEN) return;
    this.sealer.pump(false);
    this.#balance();
  }

  /** Within a callback of somebody who catches what is thrown. */
  settleNow(): void {
    if (this.#busy) return;
    this.settle();
  }

  /** The owner threw, or we did: only this connection pays for it. */
  crash(error: unknown): void {
    this.abort(new CoreError("ERR_HANDLER_THREW", "the stream's owner threw", { cause: error }));
  }

  reset(): void {
    this.abort(new CoreError("ERR_STREAM_ABANDONED", "the stream was reset by its own side"));
  }

  end(): void {
    if (this.sealer.ended) return;
    this.sealer.ended = true;
    this.schedule();
  }

  // — the native session —

  /** Runs it with what else is in the words. @returns its flags. */
  run(actions: number, outOffset: number, outLength: number): number {
    const { words } = this.thread;
    words[HANDLE] = this.handle;
    words[ACTIONS] = actions;
    words[OUT_OFFSET] = outOffset;
    words[OUT_LENGTH] = outLength;
    this.#flags = this.thread.engine.run();
    return this.#flags;
  }

  /** Nothing could be encrypted although there was room. */
  sealFailed(): void {
    if (this.#state === OPEN) this.#fail(this.#failure());
  }

  /** Everything is encrypted and `end` was called: close_notify, then FIN. */
  closeNotify(): void {
    const { inner } = this;
    this.thread.words[IN_LENGTH] = 0;
    const offset = inner.reserve(RECORD_OVERHEAD_MAX);
    this.run(SHUTDOWN, offset, RECORD_OVERHEAD_MAX);
    inner.commit(this.thread.words[OUT_USED]);
    inner.end();
    this.#lingerIfDone();
  }

  /** The peer has closed its side, and we ours: its FIN is due. */
  #lingerIfDone(): void {
    if (!this.sealer.closeSent || !this.opener.sawEnd) return;
    this.#orderly = true;
    if (!this.#innerEnded) this.#setDeadline(LINGER_MS);
    if (this.inner.paused) this.inner.resume();
  }

  #feed(lease: Lease): void {
    this.#busy = true;
    try {
      this.#process(lease);
    } finally {
      this.#busy = false;
    }
    this.settle();
  }

  /** Takes the lease. Plaintext goes on in it where it can. */
  #process(input: Lease | null): void {
    const { words, scratch } = this.thread;
    let rest = input;
    let spill: Lease | null = null;
    try {
      for (;;) {
        words[IN_OFFSET] = rest === null ? 0 : rest.offset;
        words[IN_LENGTH] = rest === null ? 0 : rest.length;
        words[SPILL_OFFSET] = spill === null ? 0 : spill.offset;
        words[SPILL_LENGTH] = spill === null ? 0 : spill.length;
        const flags = this.run(READ, scratch, SPILL_BYTES);
        const used = words[IN_USED];
        const plain = words[PLAIN_LENGTH];
        const spilled = words[SPILL_USED];
        const partial = words[PARTIAL];
        const out = words[OUT_USED];
        if (out > 0) this.inner.writeBytes(this.inner.arena.u8.subarray(scratch, scratch + out));
        if (this.#state === HANDSHAKE && (flags & ESTABLISHED) !== 0) this.#shaken();
        if (spill !== null) {
          const given: Lease = spill;
          spill = null;
          this.#deliver(given, spilled);
        }
        if ((flags & (NEEDS_ROOM | NEEDS_SPILL)) === 0) {
          if (rest !== null && plain > 0) {
            const given: Lease = rest;
            rest = null;
            this.#deliver(given, plain);
          }
          if ((flags & NOTEWORTHY) !== 0) rest = this.#note(flags, rest, used);
          return;
        }
        if (rest !== null) {
          if (plain > 0) this.#deliver(rest.slice(0, plain), plain);
          rest.offset += used;
          rest.length -= used;
        }
        if (!this.open) return;
        if ((flags & NEEDS_SPILL) !== 0) {
          spill = this.inner.arena.lease(partial > 0 ? Math.min(partial, SPILL_BYTES) : SPILL_BYTES);
        }
      }
    } finally {
      rest?.release();
      spill?.release();
    }
  }

  /** @returns what is still to be released of the input. */
  #note(flags: number, rest: Lease | null, used: number): Lease | null {
    if ((flags & HAS_SESSIONS) !== 0) this.#owner.onSession(this);
    if ((flags & AWAITS_CONTEXT) !== 0 && this.#state === HANDSHAKE) {
      this.#held = true;
      if (!this.inner.paused) this.inner.pause();
      const kept = rest !== null && used < rest.length;
      if (rest !== null && kept) {
        rest.offset += used;
        rest.length -= used;
        this.#waiting ??= [];
        this.#waiting.unshift(rest.transient ? rest.copy() : rest);
      }
      this.#owner.onHello(this, this.thread.engine.serverName(this.handle));
      return kept ? null : rest;
    }
    if ((flags & FAILED) !== 0 && this.open) this.#fail(this.#failure());
    else if ((flags & PEER_CLOSED) !== 0 && !this.opener.sawEnd) {
      this.opener.sawEnd = true;
      this.#deliverHeld();
      this.#lingerIfDone();
    }
    return rest;
  }

  #deliver(lease: Lease, length: number): void {
    if (length === 0 || this.#state !== OPEN) {
      lease.release();
      return;
    }
    lease.length = length;
    this.opener.deliver(lease, this.handler);
  }

  /** What was held back, then the end or the failure that came after it. */
  #deliverHeld(): void {
    const { opener } = this;
    while (opener.holds && this.handler !== null && !opener.paused && this.#state === OPEN) {
      this.handler.onData(opener.shift() as Lease);
    }
    if (opener.holds || this.handler === null || opener.paused || this.#state !== OPEN) return;
    if (opener.sawEnd && !opener.peerEnded) {
      opener.peerEnded = true;
      this.handler.onEnd();
    } else if (opener.failure !== null) {
      this.#truncate(opener.failure);
    }
  }

  /** The peer is gone without a word, as some do that still want their answer: what is queued goes out before the end. */
  #truncate(error: Error): void {
    this.sealer.ended = true;
    this.sealer.pump(true);
    if (this.open) this.#fail(error);
  }

  /** Not paused for a first piece: a ClientHello is seldom more, and to stop a receive and start it again costs two operations. */
  #wait(lease: Lease): void {
    this.#held = true;
    const kept = lease.transient ? lease.copy() : lease;
    if (this.#waiting === null) {
      this.#waiting = [kept];
    } else {
      this.#waiting.push(kept);
      if (!this.inner.paused) this.inner.pause();
    }
  }

  #shiftWaiting(): Lease | null {
    const lease = this.#waiting?.shift() ?? null;
    if (this.#waiting?.length === 0) this.#waiting = null;
    return lease;
  }

  #dropWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) for (const lease of waiting) lease.release();
  }

  /** The stream below is read from exactly while somebody takes what comes. */
  #balance(): void {
    const { inner, opener } = this;
    const wanted = (this.handler !== null && !opener.paused && !opener.holds) || opener.sawEnd;
    if (wanted !== inner.paused) return;
    if (wanted) inner.resume();
    else inner.pause();
  }

  #shaken(): void {
    this.#state = OPEN;
    this.#clearDeadline();
    this.#owner.onShaken(this, null);
  }

  // — the end —

  #failure(): TlsError {
    const { engine, words } = this.thread;
    const established = (this.#flags & ESTABLISHED) !== 0;
    return failure({
      reason: engine.failure(this.handle) ?? "OpenSSL takes no data",
      alertSent: words[ALERT_SENT],
      alertReceived: words[ALERT_RECEIVED],
      established,
      info: established ? null : engine.info(this.handle),
    });
  }

  /** What the peer is to be told is with the stream below; it gets a moment to read it. */
  #fail(error: Error): void {
    const early = this.#state === HANDSHAKE;
    this.#close(error);
    if (this.inner.paused) this.inner.resume();
    this.inner.end();
    this.#setDeadline(LINGER_MS);
    if (early) this.#owner.onShaken(this, error);
  }

  #close(error: Error): void {
    this.#state = CLOSING;
    this.#error = error;
    this.#clearDeadline();
    this.opener.dispose();
    this.sealer.dispose(error);
  }

  /** The transport closed in order; did TLS? */
  #endOf(): Error | null {
    if (this.opener.sawEnd && this.sealer.closeSent) return null;
    return new TlsError("ERR_TLS_TRUNCATED", "the connection ended without close_notify");
  }

  #tellClosed(): void {
    const { handler } = this;
    if (this.#told || handler === null) return;
    this.#told = true;
    this.handler = null;
    handler.onClose(this.#error);
  }

  #setDeadline(ms: number): void {
    this.#deadline ??= new WheelEntry(() => this.#onDeadline());
    this.clock.wheel.set(this.#deadline, this.clock.now + ms);
  }

  #clearDeadline(): void {
    if (this.#deadline === null) return;
    this.clock.wheel.remove(this.#deadline);
    this.#deadline = null;
  }

  #onDeadline(): void {
    if (this.#state !== HANDSHAKE) {
      this.inner.reset();
      return;
    }
    this.abort(new TlsError("ERR_TLS_HANDSHAKE_TIMEOUT", "the handshake was not complete in time"));
  }
}

const NOTEWORTHY = HAS_SESSIONS | AWAITS_CONTEXT | FAILED | PEER_CLOSED;
