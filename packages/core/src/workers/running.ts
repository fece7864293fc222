// running.ts — what run() returns: a program to wait for and to control.
import { CoreError } from "../errors.ts";
import type { PeerAddress } from "../stream.ts";
import { currentMember } from "./member.ts";
import type { WorkerReport } from "./worker-slot.ts";

/** Whoever carries the program out: a supervisor, or the calling thread. */
export interface Controller {
  /** Every main has ended; rejects when the program cannot start. */
  readonly ended: Promise<void>;
  /** Nothing of it is left. Never rejects. */
  readonly closed: Promise<void>;
  drain(deadlineMs?: number): Promise<{ idle: boolean }>;
  terminate(): Promise<void>;
  scale(workers: number): Promise<void>;
  restart(): Promise<void>;
  reports(): WorkerReport[];
  addresses(): Promise<PeerAddress[]>;
}

/** A program that runs. Await it: it settles when every main has ended, or could not start. */
export class Running implements PromiseLike<void> {
  readonly #controller: Controller;

  constructor(controller: Controller) {
    this.#controller = controller;
  }

  // biome-ignore lint/suspicious/noThenProperty: run() is awaited like the program it runs
  then<A = void, B = never>(
    // biome-ignore lint/suspicious/noConfusingVoidType: as in Promise<void>.then
    onFulfilled?: ((value: void) => A | PromiseLike<A>) | null,
    // biome-ignore lint/suspicious/noExplicitAny: as in Promise.then
    onRejected?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#controller.ended.then(onFulfilled, onRejected);
  }

  /** Resolves when nothing of it is left, whoever ended it. Never rejects; in a worker it stays pending. */
  get closed(): Promise<void> {
    return this.#controller.closed;
  }

  /** Lets everybody finish, and ends the workers; resolves when they are gone. What is left at the deadline is reset. */
  async drain(deadlineMs?: number): Promise<void> {
    await this.#controller.drain(deadlineMs);
  }

  /** Ends the workers now; their connections are reset. */
  terminate(): Promise<void> {
    return this.#controller.terminate();
  }

  /** Adds workers, or drains the last ones, without losing a connection. For programs that began with two or more. */
  scale(workers: number): Promise<void> {
    return this.#controller.scale(workers);
  }

  /** Replaces the workers one by one, without losing a connection. */
  restart(): Promise<void> {
    return this.#controller.restart();
  }

  /** The workers as they are, with their counters. */
  workers(): WorkerReport[] {
    return this.#controller.reports();
  }

  /** Where the program listens. */
  addresses(): Promise<PeerAddress[]> {
    return this.#controller.addresses();
  }
}

const onlyInMain = (): Promise<never> =>
  Promise.reject(
    new CoreError("ERR_OPTION_INVALID", "workers are managed where they were started: in the main thread"),
  );

/** A run as a worker sees it: of its own or of others. It can only ask for an end. */
export class Elsewhere implements Controller {
  readonly ended: Promise<void>;
  readonly closed: Promise<void> = new Promise(() => {});

  constructor(ended: Promise<void>) {
    this.ended = ended;
  }

  async drain(deadlineMs?: number): Promise<{ idle: boolean }> {
    await currentMember().requestDrain(deadlineMs);
    return { idle: false };
  }

  terminate(): Promise<never> {
    return onlyInMain();
  }

  scale(): Promise<never> {
    return onlyInMain();
  }

  restart(): Promise<never> {
    return onlyInMain();
  }

  reports(): WorkerReport[] {
    return [];
  }

  async addresses(): Promise<PeerAddress[]> {
    return currentMember().addresses;
  }
}

/** A run that could not begin. */
export class Unstarted implements Controller {
  readonly ended: Promise<never>;
  readonly closed: Promise<void> = Promise.resolve();

  constructor(error: unknown) {
    this.ended = Promise.reject(error);
  }

  async drain(): Promise<{ idle: boolean }> {
    return { idle: true };
  }

  async terminate(): Promise<void> {}

  async scale(): Promise<void> {}

  async restart(): Promise<void> {}

  reports(): WorkerReport[] {
    return [];
  }

  async addresses(): Promise<PeerAddress[]> {
    return [];
  }
}
