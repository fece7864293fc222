// runtime.ts — what one thread has one of: ring, arena, receive buffers, wheel, counters; and the order of a batch.
import { AsyncResource } from "node:async_hooks";
import type { NativeRing } from "@percore/native";
import { ARENA_BYTES_MAX, ARENA_BYTES_MIN, Arena } from "./arena.ts";
import { BufferGroup, entriesOf } from "./buffer-group.ts";
import { Descriptors } from "./descriptors.ts";
import { type DriverOption, type DriverOptions, type DriverReport, type OpenedDriver, openDriver } from "./driver.ts";
import { CoreError } from "./errors.ts";
import { checkPowerOfTwo, checkRange } from "./option-range.ts";
import { Ring } from "./ring.ts";
import type { RingOwner } from "./slots.ts";
import { STAT, Stats, type StatsSnapshot } from "./stats.ts";
import { RESERVE_BYTES_MAX } from "./stream.ts";
import { WHEEL_STEP_MS, Wheel } from "./wheel.ts";

/**
 * The async context that callbacks start in: nobody's. Without it, an AsyncLocalStorage that one handler has set would be
 * seen by whatever is delivered in the microtask it scheduled, or by every deadline, for it set the first.
 */
const ROOT: AsyncResource = new AsyncResource("PercoreRuntime");

export interface RuntimeOptions {
  /** Default: PERCORE_DRIVER, else "auto". */
  readonly driver?: DriverOption;
  /** Bytes of the thread's arena; see ArenaOptions. */
  readonly arenaBytes?: number;
  /** Submission slots; a power of two, default 4096. */
  readonly sqEntries?: number;
  /** Completion slots; a power of two, default 8192. The two rings are locked memory: about 400 KiB by default. */
  readonly cqEntries?: number;
  /** Bytes of one receive buffer. */
  readonly receiveBufferBytes?: number;
  /** Receive buffers for accepted connections. Fewer than connections is fine; they are held only while in use. */
  readonly receiveBuffers?: number;
  /** Receive buffers for connections we made, apart from the others so that neither side can starve the other. */
  readonly upstreamReceiveBuffers?: number;
  /** A ring of the caller's own instead of a driver's: for tests and benchmarks that fabricate completions. */
  readonly native?: NativeRing;
  /** Told what handlers throw into the transport; their stream is reset. Default: written to standard error. */
  readonly onError?: (error: unknown) => void;
}

/** Handles at most so many completions before libuv gets a turn, so that one batch cannot starve timers and promises. */
export const BATCH_MAX = 1024;
const SQ_ENTRIES = 4096;
const CQ_ENTRIES = 8192;
const RECEIVE_BUFFER_BYTES = 16_384;
const RECEIVE_BUFFERS = 1024;
const UPSTREAM_RECEIVE_BUFFERS = 512;

/** Has something to do at the end of the batch: a send to start, a receive to arm, somebody to tell. */
export interface Settler {
  settle(): void;
  crash(error: unknown): void;
}

export interface RuntimeStats extends StatsSnapshot {
  /** Blocks of the arena that somebody holds, receive buffers included. */
  readonly leases: number;
  /** Deadlines on the wheel. */
  readonly timers: number;
  /** Owners of operations: streams, listeners, connects, file operations. */
  readonly owners: number;
  readonly submissionFull: number;
  readonly stale: number;
}

export class Runtime {
  readonly arena: Arena;
  readonly ring: Ring;
  readonly driver: DriverReport;
  readonly wheel: Wheel;
  readonly counters: Stats = new Stats();
  readonly descriptors: Descriptors;
  /** Buffers of accepted connections, and of those we made. */
  readonly downstream: BufferGroup;
  readonly upstream: BufferGroup;
  /** Milliseconds, monotonic, read once per batch: the wheel's clock. */
  now: number = performance.now();
  readonly #onError: (error: unknown) => void;
  #dirty: (Settler | null)[] = [];
  #dirtyCount = 0;
  #inBatch = false;
  #settling = false;
  #ticker: NodeJS.Timeout | null = null;
  #closed = false;
  #scratch = 0;

  /** @throws {CoreError} what openDriver throws. Use `openRuntime`, which keeps it to one per thread. */
  constructor(options: RuntimeOptions = {}) {
    checkOptions(options);
    this.arena = new Arena({ bytes: options.arenaBytes });
    this.#onError = options.onError ?? reportToStderr;
    const { native, report } =
      options.native === undefined ? openDriver(this.arena, driverOptions(options)) : given(options.native);
    this.driver = report;
    this.ring = new Ring(native);
    this.descriptors = new Descriptors(this.ring, native, this.counters);
    const size = options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES;
    const wake = (): void => this.#wake();
    this.downstream = new BufferGroup(this.arena, this.ring, this.counters, {
      id: 0,
      count: options.receiveBuffers ?? RECEIVE_BUFFERS,
      size,
    });
    this.upstream = new BufferGroup(this.arena, this.ring, this.counters, {
      id: 1,
      count: options.upstreamReceiveBuffers ?? UPSTREAM_RECEIVE_BUFFERS,
      size,
    });
    this.downstream.onRelief = wake;
    this.upstream.onRelief = wake;
    this.wheel = new Wheel(this.now);
    this.wheel.onBusy = (busy) => this.#drive(busy);
    // The ring keeps the loop alive exactly while somebody waits for it.
    this.ring.slots.onLive = (live) => (live ? native.ref() : native.unref());
    ROOT.runInAsyncScope(() => native.start(this.#onBatch));
    native.unref();
  }

  get stats(): RuntimeStats {
    return {
      ...this.counters.snapshot(),
      leases: this.arena.stats.outstanding,
      timers: this.wheel.size,
      owners: this.ring.slots.live,
      submissionFull: this.ring.counters.submissionFull,
      stale: this.ring.counters.stale,
    };
  }

  /** Where a stream that has closed lets its writer write: RESERVE_BYTES_MAX bytes that go nowhere. */
  get scratch(): number {
    if (this.#scratch === 0) this.#scratch = this.arena.carve(RESERVE_BYTES_MAX, 64);
    return this.#scratch;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Calls `settler.settle()` at the end of this batch, or in a microtask when none is running. Once per call. */
  schedule(settler: Settler): void {
    if (this.#dirtyCount === this.#dirty.length) this.#dirty.push(settler);
    else this.#dirty[this.#dirtyCount] = settler;
    this.#dirtyCount += 1;
    this.#wake();
  }

  /** Reports what an owner's code threw. Its stream has been reset by whoever caught it. */
  report(error: unknown): void {
    this.counters.values[STAT.handlerErrors] += 1;
    this.#onError(error);
  }

  /**
   * Cancels everything, resets every connection, gives the ring back. No callback comes any more; graceful ends are the
   * business of those who opened something.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#drive(false);
    this.ring.native.close();
    if (threadState().runtime === this) threadState().runtime = null;
  }

  readonly #onBatch = (): void => {
    this.#inBatch = true;
    this.now = performance.now();
    const stats = this.counters.values;
    const handled = this.ring.drain(BATCH_MAX, this.#crashed);
    stats[STAT.batches] += 1;
    if (handled > stats[STAT.batchMax]) stats[STAT.batchMax] = handled;
    this.#settle();
    this.#inBatch = false;
    if (this.#unsettled) this.#wake();
  };

  /** Something was scheduled after its turn had passed, or completions were set aside. */
  get #unsettled(): boolean {
    return this.#dirtyCount > 0 || this.ring.stashed > 0;
  }

  /** Sends start, buffers go back, starved receives are armed: in this order, so that the last find buffers. */
  #settle(): void {
    // The list grows while it is walked: a held-back receive may write to another stream.
    for (let at = 0; at < this.#dirtyCount; at += 1) {
      const settler = this.#dirty[at] as Settler;
      this.#dirty[at] = null;
      try {
        settler.settle();
      } catch (error) {
        this.#crashed(settler, error);
      }
    }
    this.#dirtyCount = 0;
    this.downstream.settle();
    this.upstream.settle();
  }

  readonly #settleLater = (): void => {
    this.#settling = false;
    // The microtask has the async context of whoever wrote first; what it delivers may be anybody's.
    if (!this.#closed) ROOT.runInAsyncScope(this.#settleAll);
  };

  readonly #settleAll = (): void => {
    this.#inBatch = true;
    if (this.ring.stashed > 0) this.ring.drain(BATCH_MAX, this.#crashed);
    this.#settle();
    this.#inBatch = false;
    if (this.#unsettled) this.#wake();
  };

  #wake(): void {
    if (this.#inBatch || this.#settling) return;
    this.#settling = true;
    this.now = performance.now();
    queueMicrotask(this.#settleLater);
  }

  readonly #crashed = (owner: RingOwner | Settler, error: unknown): void => {
    this.report(error);
    owner.crash(error);
  };

  /** One node timer for all deadlines; it rests while there are none, and never keeps the process alive by itself. */
  #drive(busy: boolean): void {
    if (busy && this.#ticker === null && !this.#closed) {
      this.#ticker = ROOT.runInAsyncScope(() => setInterval(this.#tick, WHEEL_STEP_MS)).unref();
    } else if (!busy && this.#ticker !== null) {
      clearInterval(this.#ticker);
      this.#ticker = null;
    }
  }

  readonly #tick = (): void => {
    this.now = performance.now();
    this.wheel.advance(this.now, (error) => this.report(error));
  };
}

const ENTRIES_MAX = 32_768;
/** Ids of provided buffers are 16 bits, and their ring has at most so many entries. */
const BUFFERS_MAX = 32_768;
const BUFFER_BYTES_MIN = 1024;
const BUFFER_BYTES_MAX = 1_048_576;

const checkOptions = (options: RuntimeOptions): void => {
  checkRange("arenaBytes", options.arenaBytes, ARENA_BYTES_MIN, ARENA_BYTES_MAX);
  checkPowerOfTwo("sqEntries", options.sqEntries, 1, ENTRIES_MAX);
  checkPowerOfTwo("cqEntries", options.cqEntries, options.sqEntries ?? 1, 2 * ENTRIES_MAX);
  checkRange("receiveBufferBytes", options.receiveBufferBytes, BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
  checkRange("receiveBuffers", options.receiveBuffers, 1, BUFFERS_MAX);
  checkRange("upstreamReceiveBuffers", options.upstreamReceiveBuffers, 1, BUFFERS_MAX);
};

const driverOptions = (options: RuntimeOptions): DriverOptions => ({
  driver: options.driver,
  sqEntries: options.sqEntries ?? SQ_ENTRIES,
  cqEntries: options.cqEntries ?? CQ_ENTRIES,
  bufferEntries: Math.min(
    BUFFERS_MAX,
    entriesOf(options.receiveBuffers ?? RECEIVE_BUFFERS) +
      entriesOf(options.upstreamReceiveBuffers ?? UPSTREAM_RECEIVE_BUFFERS),
  ),
});

const given = (native: NativeRing): OpenedDriver => ({
  native,
  report: { kind: native.kind, requested: native.kind, reason: "a ring was given", refusal: null },
});

const reportToStderr = (error: unknown): void => {
  console.error("percore: a handler threw into the transport; its stream was reset.", error);
};

interface ThreadState {
  runtime: Runtime | null;
  readonly owner: object;
}

/** Tells this copy of the module from another one in the same thread. */
const COPY = {};
const KEY: unique symbol = Symbol.for("@percore/core.runtime");

const threadState = (): ThreadState => {
  const holder = globalThis as { [KEY]?: ThreadState };
  holder[KEY] ??= { runtime: null, owner: COPY };
  const state = holder[KEY];
  if (state.owner === COPY) return state;
  throw new CoreError(
    "ERR_RUNTIME_EXISTS",
    "a second copy of @percore/core is loaded in this thread; one loop has one ring",
  );
};

/**
 * Opens this thread's runtime with options of one's own.
 * @throws {CoreError} ERR_RUNTIME_EXISTS when there is one, also when a second copy of this package has opened it; and
 *   what openDriver throws.
 */
export const openRuntime = (options: RuntimeOptions = {}): Runtime => {
  const state = threadState();
  if (state.runtime !== null)
    throw new CoreError("ERR_RUNTIME_EXISTS", "this thread has a runtime; use currentRuntime()");
  state.runtime = new Runtime(options);
  return state.runtime;
};

/** This thread's runtime; opened with the defaults when there is none yet. */
export const currentRuntime = (): Runtime => threadState().runtime ?? openRuntime();
