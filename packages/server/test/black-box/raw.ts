// raw.ts — a bare socket: sends what it is told to, collects what comes.
import type { Socket } from "node:net";

export class Raw {
  readonly socket: Socket;
  text = "";
  ended = false;
  error: Error | null = null;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      this.text += chunk;
      this.#wake();
    });
    socket.on("end", () => {
      this.ended = true;
      this.#wake();
    });
    socket.on("error", (error) => {
      this.error = error;
      this.ended = true;
      this.#wake();
    });
  }

  send(text: string): void {
    this.socket.write(text, "latin1");
  }

  /** Waits until what came matches, or the other side has ended; at most five seconds. */
  async until(condition: (text: string) => boolean): Promise<string> {
    const end = Date.now() + 5_000;
    while (!condition(this.text) && !this.ended && Date.now() < end) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.text;
  }

  untilEnd(): Promise<string> {
    return this.until(() => false);
  }

  close(): void {
    this.socket.destroy();
  }
}

/** How often `part` occurs. */
export const count = (text: string, part: string): number => text.split(part).length - 1;
