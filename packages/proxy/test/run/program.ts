// program.ts — the percore-proxy command as a process of its own, and servers for it to talk to.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, get as httpGet, type IncomingMessage, type RequestOptions, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";

const MAIN = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));
/** Nothing here takes longer, also on a busy machine. */
const PATIENCE_MS = 20_000;

export class Program {
  readonly child: ChildProcess;
  output = "";
  readonly #waiting = new Set<() => void>();

  constructor(t: Test, args: readonly string[], folder: string, environment: Record<string, string> = {}, main = MAIN) {
    this.child = spawn(process.execPath, [main, ...args], { cwd: folder, env: { ...process.env, ...environment } });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk;
        for (const wake of this.#waiting) wake();
      });
    }
    this.child.once("exit", () => {
      for (const wake of this.#waiting) wake();
    });
    t.teardown(() => this.child.kill("SIGKILL"));
  }

  /** Waits for output that was not there at `from`. */
  async says(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const match = pattern.exec(this.output.slice(from));
      if (match !== null) return match;
      if (this.child.exitCode !== null || Date.now() > deadline)
        throw new Error(`never said ${pattern}:\n${this.output}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, PATIENCE_MS);
        this.#waiting.add(wake);
      });
    }
  }

  /** Sends a signal and waits for what is said then. */
  signal(name: NodeJS.Signals, pattern: RegExp): Promise<RegExpExecArray> {
    const from = this.output.length;
    this.child.kill(name);
    return this.says(pattern, from);
  }

  async exit(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined) this.child.kill(signal);
    if (this.child.exitCode === null && this.child.signalCode === null) {
      await new Promise((resolve) => this.child.once("exit", resolve));
    }
    return this.child.exitCode;
  }
}

/** A server that says its name and where it was asked for. */
export const namedServer = async (t: Test, name: string): Promise<{ port: number; server: Server }> => {
  const server = createServer((request, response) => {
    response.setHeader("x-server", name);
    response.end(`${name} ${request.url}`);
  });
  server.on("upgrade", (_request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    socket.pipe(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server };
};

/** A folder with a short name: paths of sockets have 107 bytes at most. */
export const shortFolder = (t: Test): string => {
  const folder = mkdtempSync(join(tmpdir(), "pxy-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

export interface Got {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
}

export const get = (options: RequestOptions): Promise<Got> =>
  new Promise((resolve, reject) => {
    const request = httpGet({ agent: false, host: "127.0.0.1", ...options }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end();
  });

/** A text that is indented as the program around it. */
export const yaml = (lines: string): string => lines.replace(/^ {4}/gm, "");
