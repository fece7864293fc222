// client.ts — line clients on node's own sockets, so that the tests' peer is not the code under test.
import { connect, type NetConnectOpts, type Socket } from "node:net";

export type Outcome = string;

/** A connection that asks line by line. */
export class LineClient {
  readonly socket: Socket;
  /** Resolves with the error's code, or "end" after an orderly close. */
  readonly closed: Promise<Outcome>;
  readonly connected: Promise<void>;
  #text = "";
  #waiting: ((line: Outcome) => void) | null = null;
  #over: Outcome | null = null;

  constructor(target: NetConnectOpts) {
    this.socket = connect(target);
    this.connected = new Promise((resolve) => this.socket.once("connect", () => resolve()));
    this.socket.on("data", (chunk) => {
      this.#text += chunk;
      this.#tell();
    });
    this.closed = new Promise((resolve) => {
      let code = "end";
      this.socket.on("error", (error: NodeJS.ErrnoException) => {
        code = error.code ?? "error";
      });
      this.socket.on("close", () => {
        this.#over = code;
        this.#tell();
        resolve(code);
      });
    });
  }

  /** Sends a line; resolves with the answering line, or with how the connection ended. */
  ask(line: string): Promise<Outcome> {
    this.socket.write(`${line}\n`);
    return this.line();
  }

  line(): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#tell();
    });
  }

  close(): void {
    this.socket.destroy();
  }

  #tell(): void {
    if (this.#waiting === null) return;
    const end = this.#text.indexOf("\n");
    const line = end < 0 ? this.#over : this.#text.slice(0, end);
    if (line === null) return;
    if (end >= 0) this.#text = this.#text.slice(end + 1);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting(line);
  }
}

/** One question on a connection of its own. */
export const askOnce = async (target: NetConnectOpts, line: string): Promise<Outcome> => {
  const client = new LineClient(target);
  const answer = await client.ask(line);
  client.socket.end();
  client.close();
  return answer;
};

/** Connections until one reaches every worker of `indexes`. */
export const clientsOf = async (target: NetConnectOpts, indexes: readonly number[]): Promise<LineClient[]> => {
  const found: LineClient[] = [];
  let last: Outcome = "nobody";
  for (let tries = 0; tries < 500; tries += 1) {
    const client = new LineClient(target);
    last = await client.ask("who");
    const index = Number(last);
    if (indexes.includes(index) && found[index] === undefined) found[index] = client;
    else client.close();
    if (indexes.every((wanted) => found[wanted] !== undefined)) return found;
  }
  throw new Error(`not all of workers ${indexes.join(", ")} answered, the last answer was ${last}`);
};
