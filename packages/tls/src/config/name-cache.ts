// name-cache.ts — answers of an asynchronous sniCallback, kept for a while: one call per name, however many handshakes wait.

interface Kept<Answer> {
  readonly answer: Answer;
  /** Clock time from which it has to be asked for again. */
  readonly until: number;
}

/** A failure is not asked for again at once: a name that fails must not cost a call per handshake. */
export const FAILED_MS = 1_000;

export class NameCache<Answer> {
  /** Calls under way. */
  readonly #asked = new Map<string, Promise<Answer>>();
  /** Oldest first. */
  readonly #kept = new Map<string, Kept<Answer>>();
  readonly #failed = new Map<string, Kept<Error>>();
  readonly #ask: (name: string) => Promise<Answer> | Answer;
  readonly #keepMs: number;
  readonly #namesMax: number;
  readonly #now: () => number;
  /** Counts clearings: an answer asked for before one is old when it comes. */
  #generation = 0;

  /**
   * @param keepMs how long an answer stands; 0 = until the next question.
   * @param namesMax names kept, and failures: what is used least is forgotten first.
   */
  constructor(ask: (name: string) => Promise<Answer> | Answer, keepMs: number, namesMax: number, now: () => number) {
    this.#ask = ask;
    this.#keepMs = keepMs;
    this.#namesMax = namesMax;
    this.#now = now;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** The answer where it is known already: no promise for those. */
  known(name: string): Answer | undefined {
    const kept = this.#kept.get(name);
    if (kept === undefined || kept.until <= this.#now()) return undefined;
    // The one used last is forgotten last.
    this.#kept.delete(name);
    this.#kept.set(name, kept);
    return kept.answer;
  }

  /** Rejects with what the callback threw. */
  get(name: string): Promise<Answer> {
    const known = this.known(name);
    if (known !== undefined) return Promise.resolve(known);
    const failed = this.#failed.get(name);
    if (failed !== undefined && failed.until > this.#now()) return Promise.reject(failed.answer);
    let asked = this.#asked.get(name);
    if (asked === undefined) {
      asked = this.#fetch(name);
      this.#asked.set(name, asked);
    }
    return asked;
  }

  /** Forgets answers: certificates were reloaded. Calls under way are not kept either. */
  clear(): void {
    this.#generation += 1;
    this.#kept.clear();
    this.#failed.clear();
    this.#asked.clear();
  }

  async #fetch(name: string): Promise<Answer> {
    const generation = this.#generation;
    try {
      const answer = await this.#ask(name);
      if (generation === this.#generation && this.#keepMs > 0) this.#keep(this.#kept, name, answer, this.#keepMs);
      return answer;
    } catch (error) {
      this.#keep(this.#failed, name, error instanceof Error ? error : new Error(String(error)), FAILED_MS);
      throw error;
    } finally {
      if (generation === this.#generation) this.#asked.delete(name);
    }
  }

  #keep<Value>(table: Map<string, Kept<Value>>, name: string, answer: Value, ms: number): void {
    table.delete(name);
    table.set(name, { answer, until: this.#now() + ms });
    for (const oldest of table.keys()) {
      if (table.size <= this.#namesMax) break;
      table.delete(oldest);
    }
  }
}
