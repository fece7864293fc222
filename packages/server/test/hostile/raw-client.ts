// raw-client.ts — a TCP client that sends exactly the bytes it is told to and reads what comes back as responses.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Answer, AnswerReader } from "./answer-reader.ts";

export type Bytes = string | Uint8Array;

/** Strings are one byte a character: "\xff" is the byte 0xff. */
export const toBytes = (data: Bytes): Buffer =>
  typeof data === "string" ? Buffer.from(data, "latin1") : Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** How the server's side of a connection ended. */
export type Ending = "end" | "reset";

export class RawClient {
  readonly socket: Socket;
  readonly reader: AnswerReader;
  /** What was wrong with the responses, when something was. */
  protocolError: Error | null = null;
  /** Set when the server has closed. */
  ending: Ending | null = null;
  readonly #waiters = new Set<() => void>();

  private constructor(socket: Socket, methods: readonly string[]) {
    this.socket = socket;
    this.reader = new AnswerReader(methods);
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#guard(() => this.reader.push(chunk)));
    socket.on("end", () => {
      this.ending ??= "end";
      this.#guard(() => this.reader.end());
    });
    socket.on("error", () => {
      this.ending ??= "reset";
      this.#wake();
    });
    socket.on("close", () => {
      this.ending ??= "end";
      this.#wake();
    });
  }

  static async open(port: number, methods: readonly string[] = []): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    return new RawClient(socket, methods);
  }

  get answers(): readonly Answer[] {
    return this.reader.answers;
  }

  #guard(work: () => void): void {
    try {
      if (this.protocolError === null) work();
    } catch (error) {
      this.protocolError = error as Error;
    }
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  /** Resolves true as soon as `condition` holds, false after `ms`. Looked at whenever something arrives. */
  until(condition: () => boolean, ms: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (held: boolean): void => {
        this.#waiters.delete(look);
        clearTimeout(timer);
        resolve(held);
      };
      const look = (): void => {
        if (condition()) finish(true);
      };
      const timer = setTimeout(() => finish(condition()), ms);
      this.#waiters.add(look);
    });
  }

  /** Writes and waits until the kernel has it, or the connection is gone. */
  async send(data: Bytes): Promise<void> {
    if (this.ending !== null || !this.socket.writable) return;
    await new Promise<void>((resolve) => this.socket.write(toBytes(data), () => resolve()));
  }

  /** One segment per byte, as far as the kernel goes along with it. */
  async sendByteByByte(data: Bytes): Promise<void> {
    for (const byte of toBytes(data)) await this.send(Uint8Array.of(byte));
  }

  /** FIN; receiving goes on. */
  finish(): void {
    this.socket.end();
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  closed(ms: number): Promise<boolean> {
    return this.until(() => this.ending !== null, ms);
  }

  answered(count: number, ms: number): Promise<boolean> {
    return this.until(
      () => this.answers.length >= count || this.ending !== null || this.protocolError !== null,
      ms,
    ).then(() => this.answers.length >= count);
  }

  async dispose(): Promise<void> {
    if (this.socket.closed) return;
    const closed = once(this.socket, "close");
    this.socket.destroy();
    await closed;
  }
}
