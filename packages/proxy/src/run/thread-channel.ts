// thread-channel.ts — questions from the main thread to all workers of a proxy, and their answers.
import { BroadcastChannel } from "node:worker_threads";
import type { AnswerMessage, Answers, Command, CommandMessage } from "./messages.ts";

/** What one worker said. */
export type WorkerAnswer<Type extends Command["type"]> =
  | { readonly worker: number; readonly ok: true; readonly value: Answers[Type] }
  | { readonly worker: number; readonly ok: false; readonly error: string };

/** A worker that has not answered by then is busy, or gone. Milliseconds. */
const ANSWER_MS = 5_000;

interface Pending {
  readonly answers: Map<number, AnswerMessage>;
  readonly expected: ReadonlySet<number>;
  readonly done: () => void;
}

/** The main thread's end. */
export class ControlChannel {
  readonly #channel: BroadcastChannel;
  readonly #pending = new Map<number, Pending>();
  #ids = 0;

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = (event) =>
      this.#onMessage((event as MessageEvent).data as AnswerMessage | CommandMessage);
    this.#channel.unref();
  }

  /** Asks every worker; one that does not answer in time has its answer made up: an error. */
  async ask<Type extends Command["type"]>(
    command: Command & { readonly type: Type },
    workers: readonly number[],
    timeoutMs: number = ANSWER_MS,
  ): Promise<WorkerAnswer<Type>[]> {
    this.#ids += 1;
    const id = this.#ids;
    const answers = new Map<number, AnswerMessage>();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#pending.set(id, { answers, expected: new Set(workers), done: resolve });
      timer = setTimeout(resolve, timeoutMs);
      this.#channel.postMessage({ to: "workers", id, command } satisfies CommandMessage);
      if (workers.length === 0) resolve();
    });
    clearTimeout(timer);
    this.#pending.delete(id);
    return workers.map((worker) => {
      const answer = answers.get(worker);
      if (answer === undefined) return { worker, ok: false, error: `no answer within ${timeoutMs} ms` };
      if (answer.error !== null) return { worker, ok: false, error: answer.error };
      return { worker, ok: true, value: answer.answer as Answers[Type] };
    });
  }

  close(): void {
    this.#channel.close();
    for (const { done } of this.#pending.values()) done();
  }

  #onMessage(message: AnswerMessage | CommandMessage): void {
    if (message.to !== "control") return;
    const pending = this.#pending.get(message.id);
    if (pending === undefined || !pending.expected.has(message.worker)) return;
    pending.answers.set(message.worker, message);
    if (pending.answers.size === pending.expected.size) pending.done();
  }
}

/** Carries a command out. */
export type Obey = (command: Command) => unknown;

/** A worker's end: answers until it is closed. */
export const answerCommands = (name: string, worker: number, obey: Obey): { close(): void } => {
  const channel = new BroadcastChannel(name);
  const answer = async ({ id, command }: CommandMessage): Promise<void> => {
    let message: AnswerMessage;
    try {
      message = { to: "control", id, worker, answer: (await obey(command)) ?? null, error: null };
    } catch (error) {
      message = {
        to: "control",
        id,
        worker,
        answer: null,
        error: error instanceof Error ? error.message : String(error),
      };
    }
    channel.postMessage(message);
  };
  channel.onmessage = (event) => {
    const message = (event as MessageEvent).data as AnswerMessage | CommandMessage;
    if (message.to === "workers") void answer(message);
  };
  channel.unref();
  return channel;
};
