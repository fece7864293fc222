// server.ts — the admin API: on an address or Unix socket of its own, in the main thread, over node's own HTTP server, so that
// it answers when the proxy itself does not.
import { timingSafeEqual } from "node:crypto";
import { unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIP } from "node:net";
import { parseListenAddress } from "../config/address.ts";
import type { Config } from "../config/schema.ts";
import type { Control } from "../run/control.ts";
import { type AdminAnswer, type AdminRequest, answerAdmin } from "./endpoints.ts";

type AdminConfig = NonNullable<Config["admin"]>;

/** What is read of a request's body, bytes: no endpoint wants one. */
const BODY_BYTES_MAX = 4_096;
const REQUEST_MS = 10_000;

export class AdminServer {
  readonly #control: Control;
  readonly #address: string;
  readonly #token: string | null;
  #server: Server | null = null;

  constructor(control: Control, config: AdminConfig) {
    this.#control = control;
    this.#address = typeof config === "string" ? config : config.address;
    this.#token = typeof config === "string" ? null : (config.token ?? null);
  }

  /** Where it listens, "127.0.0.1:9000" or a path; null while it does not. */
  get address(): string | null {
    const address = this.#server?.address() ?? null;
    if (address === null || typeof address === "string") return address;
    return address.family === "IPv6" ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
  }

  /** @throws what listening is refused for. */
  async open(): Promise<void> {
    const address = parseListenAddress(this.#address);
    if (typeof address === "string" || address.kind === "inherited") {
      throw new Error(`admin: ${this.#address} is no address the admin API can listen on`);
    }
    const server = createServer(
      { requestTimeout: REQUEST_MS },
      (request, response) => void this.#answer(request, response),
    );
    this.#server = server;
    if (address.kind === "unix") removeStale(address.path);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      // Without a host it is this machine only: whoever wants more says so.
      if (address.kind === "unix") server.listen(address.path, resolve);
      else server.listen(address.port, address.host ?? "127.0.0.1", resolve);
    });
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: AdminAnswer;
    try {
      answer = this.#refuse(request) ?? (await answerAdmin(this.#control, await parse(request)));
    } catch (error) {
      answer = { status: 500, body: { error: error instanceof Error ? error.message : String(error) } };
    }
    const isText = typeof answer.body === "string";
    const body = isText ? (answer.body as string) : `${JSON.stringify(answer.body, null, 2)}\n`;
    response.writeHead(answer.status, {
      "content-type": answer.type ?? (isText ? "text/plain; charset=utf-8" : "application/json"),
      "cache-control": "no-store",
    });
    response.end(body);
  }

  /**
   * A page in somebody's browser must not operate the proxy: browsers name the page's origin with what pages may not read,
   * and a name that was made to lead here (DNS rebinding) shows in Host.
   */
  #refuse({ headers }: IncomingMessage): AdminAnswer | null {
    if (headers.origin !== undefined || headers["sec-fetch-site"] === "cross-site") {
      return { status: 403, body: { error: "requests of web pages are not taken" } };
    }
    const host = (headers.host ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
    if (host !== "" && host !== "localhost" && isIP(host) === 0 && this.#token === null) {
      return { status: 403, body: { error: "ask for it by address, or by localhost" } };
    }
    if (this.#token === null || isBearer(headers.authorization, this.#token)) return null;
    return { status: 401, body: { error: "authorization: Bearer <token> is missing or wrong" } };
  }
}

const isBearer = (given: string | undefined, token: string): boolean => {
  const one = Buffer.from(given ?? "");
  const other = Buffer.from(`Bearer ${token}`);
  return one.length === other.length && timingSafeEqual(one, other);
};

const parse = async (request: IncomingMessage): Promise<AdminRequest> => {
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > BODY_BYTES_MAX) throw new Error("no endpoint takes a body");
  }
  const url = new URL(request.url ?? "/", "http://localhost");
  return { method: request.method ?? "GET", path: url.pathname, query: url.searchParams };
};

/** A socket file that a process has left behind keeps nobody from listening. */
const removeStale = (path: string): void => {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
};
