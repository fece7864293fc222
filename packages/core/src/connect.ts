// connect.ts — makes connections: every address of a name in turn (RFC 8305), with a deadline and a way to give up.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { close, constants, setsockoptInt, socket } from "@percore/native";
import { encodeAddress, familyOf, formatAddress } from "./address.ts";
import { CoreError, SystemError } from "./errors.ts";
import { prepCancelAll } from "./op/cancel.ts";
import { prepConnect } from "./op/connect.ts";
import { KIND_CANCEL, KIND_CLOSE, KIND_CONNECT } from "./op/kinds.ts";
import { checkRange } from "./option-range.ts";
import { currentRuntime, type Runtime } from "./runtime.ts";
import type { RingOwner } from "./slots.ts";
import { SocketStream } from "./socket-stream.ts";
import { STAT } from "./stats.ts";
import type { PeerAddress } from "./stream.ts";
import { WheelEntry } from "./wheel.ts";

export interface ConnectOptions {
  /** Name or address, and port. */
  readonly hostname?: string;
  readonly port?: number;
  /** Path of a Unix socket, instead. */
  readonly unix?: string;
  /** Until a connection is made, all addresses together; 0 = as long as the kernel tries. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Head start of one address before the next is tried beside it (RFC 8305 §5). Default 250. */
  readonly attemptDelayMs?: number;
  /** Sends small writes at once (TCP_NODELAY). Default true. */
  readonly noDelay?: boolean;
  /** Idle time before the kernel probes whether the peer is there; 0 = never. Default 0. */
  readonly keepAliveMs?: number;
  /** How long sent data may stay unacknowledged before the connection fails (TCP_USER_TIMEOUT); 0 = the kernel's default. */
  readonly userTimeoutMs?: number;
  /** Gives up: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Resolves a name to IP literals, in order of preference. Default: the system's resolver. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
  /** Runtime to connect on; default: this thread's. */
  readonly runtime?: Runtime;
}

const CONNECT_TIMEOUT_MS = 10_000;
const ATTEMPT_DELAY_MS = 250;
/** What socket options in milliseconds can hold. */
const MS_MAX = 2_147_483_647;
/** sizeof(struct sockaddr_un) and a bit. */
const ADDRESS_RECORD_BYTES = 112;

/**
 * Connects. The stream is the caller's; it receives nothing until a handler is attached.
 * @throws {SystemError} ECONNREFUSED, EHOSTUNREACH, … of the last address tried, ENOTFOUND and the like from the resolver;
 *   {CoreError} ERR_CONNECT_TIMEOUT, ERR_ADDRESS_INVALID, ERR_OPTION_INVALID; the signal's reason.
 */
export const connect = async (options: ConnectOptions): Promise<SocketStream> => {
  const runtime = options.runtime ?? currentRuntime();
  options.signal?.throwIfAborted();
  checkRange("connectTimeoutMs", options.connectTimeoutMs, 0, MS_MAX);
  checkRange("attemptDelayMs", options.attemptDelayMs, 0, MS_MAX);
  checkRange("keepAliveMs", options.keepAliveMs, 0, MS_MAX);
  checkRange("userTimeoutMs", options.userTimeoutMs, 0, MS_MAX);
  const race = new Race(runtime, options);
  return race.run(await race.untilGivenUp(addressesOf(options)));
};

const addressesOf = async (options: ConnectOptions): Promise<PeerAddress[]> => {
  if (options.unix !== undefined) return [{ family: "unix", address: options.unix, port: 0 }];
  const { hostname, port } = options;
  if (hostname === undefined || port === undefined) {
    throw new CoreError("ERR_OPTION_INVALID", "hostname and port, or unix, say where to connect");
  }
  if (isIP(hostname.split("%")[0]) !== 0) return [tcpAddress(hostname, port)];
  const found = options.resolve === undefined ? await systemResolve(hostname) : await options.resolve(hostname);
  if (found.length === 0) throw new CoreError("ERR_ADDRESS_INVALID", `${hostname} has no address`);
  return interleave(found.map((address) => tcpAddress(address, port)));
};

const systemResolve = async (hostname: string): Promise<string[]> =>
  (await lookup(hostname, { all: true, verbatim: true })).map((found) => found.address);

const tcpAddress = (address: string, port: number): PeerAddress => ({
  family: address.includes(":") ? "ipv6" : "ipv4",
  address,
  port,
});

/** Families take turns, the resolver's first choice first (RFC 8305 §4). */
const interleave = (addresses: readonly PeerAddress[]): PeerAddress[] => {
  const first = addresses.filter((address) => address.family === addresses[0].family);
  const second = addresses.filter((address) => address.family !== addresses[0].family);
  const order: PeerAddress[] = [];
  for (let at = 0; at < Math.max(first.length, second.length); at += 1) {
    if (at < first.length) order.push(first[at]);
    if (at < second.length) order.push(second[at]);
  }
  return order;
};

/** The attempts of one connect. Settles once; attempts that lose are closed. */
class Race {
  readonly #runtime: Runtime;
  readonly #options: ConnectOptions;
  readonly #attempts = new Set<Attempt>();
  readonly #deadline: WheelEntry;
  readonly #nextAttempt: WheelEntry;
  readonly #outcome: Promise<SocketStream>;
  readonly #onAbort = (): void => this.#fail(this.#options.signal?.reason);
  #resolve: (stream: SocketStream) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #addresses: PeerAddress[] = [];
  #next = 0;
  #settled = false;

  constructor(runtime: Runtime, options: ConnectOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    this.#deadline = new WheelEntry(() => {
      this.#fail(new CoreError("ERR_CONNECT_TIMEOUT", `no connection to ${this.#target()} within ${timeoutMs} ms`));
    });
    this.#nextAttempt = new WheelEntry(() => this.#tryNext());
    if (timeoutMs > 0) runtime.wheel.set(this.#deadline, performance.now() + timeoutMs);
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** What was promised, or the race's own failure when the deadline passes or the signal fires before. */
  async untilGivenUp<T>(promised: Promise<T>): Promise<T> {
    try {
      return await Promise.race([promised, this.#outcome as Promise<never>]);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  run(addresses: PeerAddress[]): Promise<SocketStream> {
    this.#addresses = addresses;
    this.#tryNext();
    return this.#outcome;
  }

  #tryNext(): void {
    if (this.#settled || this.#next === this.#addresses.length) return;
    const address = this.#addresses[this.#next];
    this.#next += 1;
    try {
      this.#attempts.add(
        new Attempt(this.#runtime, this.#options, address, (attempt, fd, error) => {
          this.#attempts.delete(attempt);
          if (error === null) this.#win(fd);
          else this.#attemptFailed(error);
        }),
      );
    } catch (error) {
      this.#attemptFailed(error);
      return;
    }
    if (this.#next < this.#addresses.length) {
      this.#runtime.wheel.set(
        this.#nextAttempt,
        performance.now() + (this.#options.attemptDelayMs ?? ATTEMPT_DELAY_MS),
      );
    }
  }

  #attemptFailed(error: unknown): void {
    if (this.#settled) return;
    if (this.#next < this.#addresses.length) this.#tryNext();
    else if (this.#attempts.size === 0) this.#fail(error);
  }

  #win(fd: number): void {
    if (this.#settled) {
      this.#runtime.descriptors.closeNow(fd);
      return;
    }
    this.#settle();
    this.#runtime.counters.values[STAT.connectionsMade] += 1;
    this.#resolve(new SocketStream(this.#runtime, fd, this.#runtime.upstream));
  }

  #fail(error: unknown): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
    // When nobody waits for the outcome yet (the name is still being resolved), untilGivenUp reports it.
    this.#outcome.catch(() => {});
  }

  #settle(): void {
    this.#settled = true;
    this.#runtime.wheel.remove(this.#deadline);
    this.#runtime.wheel.remove(this.#nextAttempt);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    for (const attempt of this.#attempts) attempt.abandon();
  }

  #target(): string {
    const { unix, hostname, port } = this.#options;
    return unix ?? `${hostname}:${port}`;
  }
}

/** One socket on its way to one address. */
class Attempt implements RingOwner {
  slot = -1;
  tag = 0;
  readonly #runtime: Runtime;
  readonly #fd: number;
  readonly #record: number;
  readonly #address: PeerAddress;
  readonly #done: (attempt: Attempt, fd: number, error: Error | null) => void;
  #inflight = 0;
  #error: Error | null = null;

  /** @throws {SystemError} when there is no socket to be had, {CoreError} ERR_ADDRESS_INVALID. */
  constructor(
    runtime: Runtime,
    options: ConnectOptions,
    address: PeerAddress,
    done: (attempt: Attempt, fd: number, error: Error | null) => void,
  ) {
    this.#runtime = runtime;
    this.#address = address;
    this.#done = done;
    const encoded = encodeAddress(address);
    this.#fd = socket(familyOf(address), constants.SOCK_STREAM, 0);
    if (this.#fd < 0) throw new SystemError("socket", -this.#fd);
    try {
      if (address.family !== "unix") setTcpOptions(this.#fd, options);
    } catch (error) {
      close(this.#fd);
      throw error;
    }
    runtime.descriptors.ownOther(this.#fd);
    this.#record = runtime.arena.allocRecord(ADDRESS_RECORD_BYTES);
    runtime.arena.u8.set(encoded, this.#record);
    runtime.ring.slots.add(this);
    prepConnect(runtime.ring, this, this.#fd, this.#record, encoded.length);
    this.#inflight = 1;
  }

  /** Another attempt has won, or nobody waits any more. */
  abandon(): void {
    if (this.#inflight !== 1 || this.#error !== null) return;
    this.#error = new CoreError("ERR_STREAM_ABANDONED", "the connection attempt was given up");
    this.#inflight += 1;
    prepCancelAll(this.#runtime.ring, this, this.#fd);
  }

  complete(kind: number, result: number): void {
    this.#inflight -= 1;
    switch (kind) {
      case KIND_CONNECT:
        if (result < 0) this.#error ??= new SystemError("connect", -result, formatAddress(this.#address));
        break;
      case KIND_CANCEL:
        break;
      case KIND_CLOSE:
        this.#runtime.ring.slots.remove(this);
        this.#done(this, -1, this.#error);
        return;
    }
    if (this.#inflight > 0) return;
    this.#runtime.arena.freeRecord(this.#record, ADDRESS_RECORD_BYTES);
    if (this.#error === null) {
      this.#runtime.ring.slots.remove(this);
      this.#done(this, this.#fd, null);
    } else {
      this.#inflight = 1;
      this.#runtime.descriptors.close(this, this.#fd);
    }
  }

  crash(error: unknown): void {
    this.#runtime.report(error);
  }
}

const setTcpOptions = (fd: number, options: ConnectOptions): void => {
  const tcp = constants.IPPROTO_TCP;
  const set = (level: number, name: number, value: number): void => {
    const failed = setsockoptInt(fd, level, name, value);
    if (failed < 0) throw new SystemError("setsockopt", -failed);
  };
  if (options.noDelay !== false) set(tcp, constants.TCP_NODELAY, 1);
  const keepAliveMs = options.keepAliveMs ?? 0;
  if (keepAliveMs > 0) {
    const seconds = Math.max(1, Math.ceil(keepAliveMs / 1000));
    set(constants.SOL_SOCKET, constants.SO_KEEPALIVE, 1);
    set(tcp, constants.TCP_KEEPIDLE, seconds);
    set(tcp, constants.TCP_KEEPINTVL, seconds);
  }
  if (options.userTimeoutMs !== undefined && options.userTimeoutMs > 0) {
    set(tcp, constants.TCP_USER_TIMEOUT, options.userTimeoutMs);
  }
};
