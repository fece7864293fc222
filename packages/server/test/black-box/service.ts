// service.ts — the program under test: routes that do what handlers do, and notes of what only the server's side sees.
import { AsyncLocalStorage } from "node:async_hooks";
import type { Lease, Stream } from "@percore/core";
import { type ConnectHandler, type FetchHandler, file, Response, type ServeOptions } from "../../src/index.ts";

export interface Notes {
  /** Reasons with which requests' signals aborted, by path. */
  readonly aborted: { readonly path: string; readonly code: string | undefined }[];
  /** Bytes that `/stream` was asked for so far. */
  pulled: number;
  /** Streams cancelled before their end. */
  cancelled: number;
  /** Bytes that `/slow-in` has read so far. */
  read: number;
  /** Lets `/slow-in` and `/hold` go on. */
  go: () => void;
  gate: Promise<void>;
}

export interface Service {
  readonly notes: Notes;
  readonly handlers: Pick<ServeOptions, "fetch" | "connect" | "error">;
}

const BLOCK = new Uint8Array(16_384).fill(0x62);
const storage = new AsyncLocalStorage<string>();

export const createService = (filePath: string): Service => {
  const notes: Notes = { aborted: [], pulled: 0, cancelled: 0, read: 0, go: () => undefined, gate: Promise.resolve() };
  closeGate(notes);
  notes.go();

  const routes: Readonly<Record<string, FetchHandler>> = {
    "/hello": () => new Response("hello"),
    "/async": async () => new Response("hello"),
    "/native": () => new globalThis.Response("hello", { headers: { "x-native": "1" } }),
    "/method": (request) => new Response(request.method),
    "/url": (request) => new Response(request.url),
    "/echo": (request) => new Response(request.body),
    "/text": async (request) => new Response(await request.text()),
    "/json": async (request) => Response.json(await request.json()),
    "/size": async (request) => new Response(String((await request.bytes()).length)),
    "/form": async (request) => Response.json([...(await request.formData()).keys()]),
    "/clone": async (request) => {
      const copy = request.clone();
      return new Response((await copy.text()) === (await request.text()) ? "same" : "different");
    },
    "/trailers-in": async (request) => new Response((await request.text()) + (await request.trailers).get("x-sum")),
    "/headers": (request) => Response.json([...request.headers]),
    "/late": async (request) => {
      await new Promise(setImmediate);
      return new Response(`${request.url} ${request.headers.get("x-late")}`);
    },
    "/status": (request) => new Response(null, { status: Number(query(request.url, "code")) }),
    "/cookies": () =>
      new Response("", {
        headers: [
          ["set-cookie", "a=1"],
          ["set-cookie", "b=2"],
        ],
      }),
    "/bytes": (request) => new Response(new Uint8Array(Number(query(request.url, "n"))).fill(0x61)),
    "/string": (request) => new Response("é".repeat(Number(query(request.url, "n")))),
    "/stream": (request) => new Response(stream(notes, Number(query(request.url, "n")))),
    "/iterate": () => new Response(iterate()),
    "/blob": () => new Response(new Blob(["bl", "ob"], { type: "x/y" })),
    "/file": () => new Response(file(filePath)),
    "/missing": () => new Response(file(`${filePath}.missing`)),
    "/trailers": () => new Response("body", { trailers: { "x-sum": "1" } }),
    "/hint": (_, info) => {
      info.sendInformational(103, { link: "</a.css>; rel=preload" });
      return new Response("hinted");
    },
    "/hold": async (request) => {
      request.signal.addEventListener("abort", () => {
        const { code } = request.signal.reason as { code?: string };
        notes.aborted.push({ path: "/hold", code });
      });
      await notes.gate;
      return new Response("held");
    },
    "/slow-in": async (request) => {
      for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
        notes.read += chunk.length;
        await notes.gate;
      }
      return new Response(String(notes.read));
    },
    "/info": (_, info) =>
      Response.json({ remote: info.remoteAddress.family, alpn: info.alpnProtocol, tls: info.encrypted }),
    "/als": async (request) => {
      const id = query(request.url, "id");
      const before = storage.getStore() ?? "none";
      storage.enterWith(id);
      await new Promise(setImmediate);
      return new Response(`${before} ${storage.getStore()}`);
    },
    "/throw": () => {
      throw new Error("thrown by the test");
    },
    "/reject": async () => {
      throw new Error("rejected by the test");
    },
    "/broken-stream": () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode("part")),
          pull: (controller) => controller.error(new Error("broken by the test")),
        }),
      ),
    "/cancel": async (request) => {
      await request.body?.cancel();
      return new Response("cancelled");
    },
    "/some": async (request) => {
      const reader = (request.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      return new Response("had some");
    },
    "/unread": () => new Response("did not look"),
  };

  const fetch: FetchHandler = (request, info) => {
    const { pathname } = new URL(request.url);
    const route = routes[pathname];
    return route === undefined ? new Response("not found", { status: 404 }) : route(request, info);
  };
  const connect: ConnectHandler = (context) => {
    if (context.connectProtocol === "refused") return new Response("no", { status: 403 });
    const tunnel = context.acceptStream({ headers: { "x-tunnel": "1" } });
    tunnel.attach(new Echo(tunnel));
    return undefined;
  };
  return {
    notes,
    handlers: { fetch, connect, error: (error) => new Response((error as Error).message, { status: 500 }) },
  };
};

/** Makes `notes.gate` wait for `notes.go()`. */
export const closeGate = (notes: Notes): void => {
  notes.gate = new Promise((resolve) => {
    notes.go = resolve;
  });
};

const query = (url: string, name: string): string => new URL(url).searchParams.get(name) ?? "";

const stream = (notes: Notes, size: number): ReadableStream<Uint8Array> => {
  let left = size;
  return new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        const chunk = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
        left -= chunk.length;
        notes.pulled += chunk.length;
        if (chunk.length > 0) controller.enqueue(chunk);
        if (left === 0) controller.close();
      },
      cancel: () => {
        notes.cancelled += 1;
      },
    },
    { highWaterMark: 0 },
  );
};

async function* iterate(): AsyncGenerator<string> {
  yield "a";
  await new Promise(setImmediate);
  yield "b";
  yield "c";
}

/** Sends a tunnel's bytes back; holds the peer back while it does not read. */
class Echo {
  readonly #tunnel: Stream;

  constructor(tunnel: Stream) {
    this.#tunnel = tunnel;
  }

  onData(lease: Lease): void {
    this.#tunnel.write(lease);
    if (this.#tunnel.needsDrain) this.#tunnel.pause();
  }

  onEnd(): void {
    this.#tunnel.end();
  }

  onDrain(): void {
    this.#tunnel.resume();
  }

  onClose(): void {}
}
