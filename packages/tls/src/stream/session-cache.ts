// session-cache.ts — sessions that servers have given, for resumption; each is used once (RFC 8446 §C.4).
import type { ResumableSession } from "@percore/native/tls";

/** Sessions kept for one server: as many connections to it can begin at once by resumption. */
const PER_SERVER_MAX = 4;

/** Keeps sessions of the servers that were asked last. One may serve all clients of a context; contexts must not share one. */
export class SessionCache {
  readonly #servers: Map<string, ResumableSession[]> = new Map();
  readonly #serversMax: number;

  /** @param serversMax servers it remembers; the one that was used longest ago is forgotten. Default 1000. */
  constructor(serversMax = 1000) {
    this.#serversMax = serversMax;
  }

  get servers(): number {
    return this.#servers.size;
  }

  /** The newest session of that server; it is out of the cache then. */
  take(server: string): ResumableSession | null {
    const sessions = this.#servers.get(server);
    const session = sessions?.pop() ?? null;
    if (sessions?.length === 0) this.#servers.delete(server);
    return session;
  }

  put(server: string, session: ResumableSession): void {
    const sessions = this.#servers.get(server) ?? [];
    this.#servers.delete(server);
    this.#servers.set(server, sessions);
    sessions.push(session);
    if (sessions.length > PER_SERVER_MAX) sessions.shift();
    if (this.#servers.size <= this.#serversMax) return;
    for (const oldest of this.#servers.keys()) {
      this.#servers.delete(oldest);
      return;
    }
  }

  clear(): void {
    this.#servers.clear();
  }
}
