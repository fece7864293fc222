// server-pool.ts — one worker's connections to one server: idle ones of HTTP/1.1, shared ones of HTTP/2, and who waits for one.
import { WheelEntry } from "@percore/core";
import type { ClientConnection, Clock } from "@percore/http";
import type { PoolPlan } from "../plan.ts";
import type { Connect, Connected, ConnectionFor } from "./connector.ts";

/** Waits for a connection; told exactly once, maybe from within acquire(). */
export interface Waiter {
  onConnection(connection: ClientConnection): void;
  onConnectFailed(error: unknown): void;
}

interface Entry {
  readonly connection: ClientConnection;
  readonly address: string;
  readonly madeMs: number;
  idleSinceMs: number;
  idle: boolean;
}

export interface PoolOptions {
  readonly clock: Clock;
  readonly plan: PoolPlan;
  /** Null: no limit. */
  readonly connectionsMax: number | null;
  readonly connect: Connect;
  /** Each connection tells the server whose it is (PROXY protocol): none is shared or used again. */
  readonly perClient: boolean;
}

export class ServerPool {
  readonly #options: PoolOptions;
  readonly #entries = new Set<Entry>();
  /** HTTP/1.1, longest idle first; taken from the end, so that surplus ones grow old. */
  readonly #idle: Entry[] = [];
  readonly #shared: Entry[] = [];
  readonly #waiters: Waiter[] = [];
  readonly #sweep: WheelEntry;
  #connecting = 0;
  /** The server spoke HTTP/2 the last time: one connection will do for many who wait. */
  #sharesLikely = false;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#sweep = new WheelEntry(() => this.#expire());
  }

  /** Open ones, and those under way. */
  get connections(): number {
    return this.#entries.size + this.#connecting;
  }

  get idle(): number {
    return this.#idle.length + this.#shared.filter(({ connection }) => connection.active === 0).length;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  /**
   * Gives the waiter a connection, now or later.
   * @param whom the client, where each connection is one client's.
   * @returns false where none is being made for it: it waits for another's, and nothing here ends that.
   */
  acquire(waiter: Waiter, whom: ConnectionFor): boolean {
    const { perClient, connectionsMax } = this.#options;
    if (perClient) {
      this.#waiters.push(waiter);
      this.#connectFor(waiter, whom);
      return true;
    }
    const entry = this.#takeShared() ?? this.#takeIdle();
    if (entry !== null) {
      waiter.onConnection(entry.connection);
      return true;
    }
    this.#waiters.push(waiter);
    const enough = this.#sharesLikely && this.#connecting > 0;
    if (enough || (connectionsMax !== null && this.connections >= connectionsMax)) return false;
    this.#connect();
    return true;
  }

  /** The waiter no longer wants one. */
  cancel(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  /** Closes idle connections, all or those to other addresses than these; the others close when they are done. */
  retire(keep: (address: string) => boolean): void {
    for (const entry of [...this.#entries]) if (!keep(entry.address)) this.#retire(entry);
  }

  /** Takes no more requests. Those under way go on; who waits for one of them to end is told that there is none to be had. */
  close(): void {
    this.#closed = true;
    this.#options.clock.wheel.remove(this.#sweep);
    this.retire(() => false);
    for (const waiter of this.#waiters.splice(this.#connecting)) {
      waiter.onConnectFailed(new Error("the server is no longer part of the configuration"));
    }
  }

  /** A connection that says whose it is goes to nobody else. */
  #connectFor(waiter: Waiter, whom: ConnectionFor): void {
    this.#connecting += 1;
    const stillWaits = (): boolean => {
      this.#connecting -= 1;
      const waits = this.#waiters.includes(waiter);
      this.cancel(waiter);
      return waits;
    };
    this.#options.connect(whom).then(
      (connected) => {
        const waits = stillWaits();
        const entry = this.#entryOf(connected);
        if (waits) waiter.onConnection(connected.connection);
        else this.#retire(entry);
      },
      (error: unknown) => {
        if (stillWaits()) waiter.onConnectFailed(error);
      },
    );
  }

  #connect(): void {
    this.#connecting += 1;
    this.#options.connect(null).then(
      (connected) => {
        this.#connecting -= 1;
        this.#add(connected);
      },
      (error: unknown) => {
        this.#connecting -= 1;
        // It was tried for one of them; the next ones have tries of their own, unless all hung on this one.
        const failed = this.#sharesLikely ? this.#waiters.splice(0) : this.#waiters.splice(0, 1);
        for (const waiter of failed) waiter.onConnectFailed(error);
        this.#connectForNext();
      },
    );
  }

  /** A place has become free: who waits for one has it now. */
  #connectForNext(): void {
    const { connectionsMax } = this.#options;
    if (this.#waiters.length > this.#connecting && (connectionsMax === null || this.connections < connectionsMax)) {
      this.#connect();
    }
  }

  #add(connected: Connected): void {
    const entry = this.#entryOf(connected);
    this.#sharesLikely = entry.connection.protocol === "h2";
    if (this.#sharesLikely) this.#shared.push(entry);
    this.#available(entry);
  }

  #entryOf({ connection, address }: Connected): Entry {
    const { now } = this.#options.clock;
    const entry: Entry = { connection, address, madeMs: now, idleSinceMs: now, idle: false };
    this.#entries.add(entry);
    connection.onClose = () => this.#remove(entry);
    connection.onAvailable = () => this.#available(entry);
    return entry;
  }

  /** The connection can take a request: somebody waits, or it is kept. */
  #available(entry: Entry): void {
    const { connection } = entry;
    while (this.#waiters.length > 0 && this.#mayStart(entry)) {
      const waiter = this.#waiters.shift() as Waiter;
      waiter.onConnection(connection);
    }
    if (!connection.open) return;
    if (this.#closed || this.#isSpent(entry)) this.#retire(entry);
    else if (connection.protocol === "h1" && connection.available > 0) this.#keep(entry);
    else if (connection.protocol === "h2" && connection.active === 0) this.#rest(entry);
  }

  #keep(entry: Entry): void {
    if (entry.idle) return;
    entry.idle = true;
    this.#idle.push(entry);
    this.#rest(entry);
    if (this.#idle.length > this.#options.plan.idleMax) this.#retire(this.#idle[0]);
  }

  #rest(entry: Entry): void {
    const { clock, plan } = this.#options;
    entry.idleSinceMs = clock.now;
    if (plan.idleTimeoutMs > 0 && this.#sweep.deadline === Number.POSITIVE_INFINITY) {
      clock.wheel.set(this.#sweep, clock.now + plan.idleTimeoutMs);
    }
  }

  #takeIdle(): Entry | null {
    for (let entry = this.#idle.pop(); entry !== undefined; entry = this.#idle.pop()) {
      entry.idle = false;
      if (this.#mayStart(entry)) return entry;
      this.#retire(entry);
    }
    return null;
  }

  #takeShared(): Entry | null {
    for (const entry of this.#shared) if (this.#mayStart(entry)) return entry;
    return null;
  }

  #mayStart(entry: Entry): boolean {
    const { connection } = entry;
    return connection.open && connection.available > 0 && !this.#isSpent(entry);
  }

  /** It has done what it was for, or is too old. */
  #isSpent({ connection, madeMs }: Entry): boolean {
    const { plan, clock, perClient } = this.#options;
    if (perClient) return connection.started > 0;
    if (plan.requestsMax > 0 && connection.started >= plan.requestsMax) return true;
    return plan.ageMs > 0 && clock.now - madeMs >= plan.ageMs;
  }

  #retire(entry: Entry): void {
    this.#forget(entry);
    if (entry.connection.open) entry.connection.shutdown();
  }

  #remove(entry: Entry): void {
    this.#forget(entry);
    this.#entries.delete(entry);
    this.#connectForNext();
  }

  #forget(entry: Entry): void {
    for (const list of [this.#idle, this.#shared]) {
      const at = list.indexOf(entry);
      if (at >= 0) list.splice(at, 1);
    }
    entry.idle = false;
  }

  #expire(): void {
    const { clock, plan } = this.#options;
    const tooOld = (entry: Entry): boolean => clock.now - entry.idleSinceMs >= plan.idleTimeoutMs;
    for (const entry of [...this.#idle]) if (tooOld(entry)) this.#retire(entry);
    for (const entry of [...this.#shared]) if (entry.connection.active === 0 && tooOld(entry)) this.#retire(entry);
    const oldest = Math.min(...[...this.#idle, ...this.#shared].map(({ idleSinceMs }) => idleSinceMs));
    if (Number.isFinite(oldest)) clock.wheel.set(this.#sweep, Math.max(clock.now, oldest) + plan.idleTimeoutMs);
  }
}
