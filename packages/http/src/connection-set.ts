// connection-set.ts — the connections of one server and thread: counted, drained together, waited for.

/** Counts since the start, but for the `open` ones: what servers of both versions count alike. */
export interface ServerCounters {
  connections: number;
  connectionsOpen: number;
  requests: number;
  exchangesOpen: number;
  /** Requests answered with an error of ours: malformed, too large, too slow. */
  refused: number;
  /** Exchanges that ended before their response was complete. */
  aborted: number;
  handlerErrors: number;
  /** Connections (HTTP/2: and exchanges) a deadline ended. */
  timeouts: number;
  tunnels: number;
}

export const zeroCounters = (): ServerCounters => ({
  connections: 0,
  connectionsOpen: 0,
  requests: 0,
  exchangesOpen: 0,
  refused: 0,
  aborted: 0,
  handlerErrors: 0,
  timeouts: 0,
  tunnels: 0,
});

/** As much of a connection as is needed to end it. */
interface Drainable {
  /** Finishes what has been begun, then closes. */
  drain(): void;
}

export class ConnectionSet<Connection extends Drainable> {
  readonly #counters: ServerCounters;
  readonly #connections = new Set<Connection>();
  #draining = false;
  #whenEmpty: (() => void)[] = [];

  /** @param counters `connections` and `connectionsOpen` are kept here */
  constructor(counters: ServerCounters) {
    this.#counters = counters;
  }

  get draining(): boolean {
    return this.#draining;
  }

  add(connection: Connection): void {
    this.#connections.add(connection);
    this.#counters.connections += 1;
    this.#counters.connectionsOpen += 1;
    if (this.#draining) connection.drain();
  }

  /** This one is gone. Saying so again does nothing. */
  remove(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    this.#counters.connectionsOpen -= 1;
    if (this.#connections.size > 0) return;
    const waiting = this.#whenEmpty;
    this.#whenEmpty = [];
    for (const resolve of waiting) resolve();
  }

  /** Drains all, and whatever is added from now on. Resolves when none is left. */
  drain(): Promise<void> {
    this.#draining = true;
    for (const connection of [...this.#connections]) connection.drain();
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  /** Ends all, each by `end`. What is added from now on is drained. */
  close(end: (connection: Connection) => void): void {
    this.#draining = true;
    for (const connection of [...this.#connections]) end(connection);
  }
}
