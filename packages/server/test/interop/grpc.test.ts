// grpc.test.ts — the client of @grpc/grpc-js against a handler of ours: all four kinds of calls, and how calls end.
import { Buffer } from "node:buffer";
import { once } from "node:events";
import * as grpc from "@grpc/grpc-js";
import t from "tap";
import { type Server, serve } from "../../src/index.ts";
import {
  abandoned,
  CANCELLED,
  DEADLINE_EXCEEDED,
  grpcService,
  NOT_FOUND,
  OK,
  UNIMPLEMENTED,
  watcher,
} from "./grpc-service.ts";

const same = (bytes: Buffer): Buffer => bytes;
const MESSAGE_BYTES = 4 * 1024 * 1024;

let server: Server;
let client: grpc.Client;

t.before(async () => {
  server = serve({ port: 0, hostname: "127.0.0.1", signals: false, handler: grpcService });
  await server.ready;
  const credentials = grpc.credentials.createInsecure();
  client = new grpc.Client(`127.0.0.1:${server.address?.port}`, credentials, { "grpc.enable_http_proxy": 0 });
});

t.teardown(async () => {
  client.close();
  await server.close();
});

interface Unary {
  readonly error: grpc.ServiceError | null;
  readonly answer: Buffer | undefined;
  readonly metadata: grpc.Metadata | null;
  readonly status: grpc.StatusObject;
}

const unary = (method: string, message: Buffer, metadata = new grpc.Metadata(), options: grpc.CallOptions = {}) =>
  new Promise<Unary>((resolve) => {
    let result: Pick<Unary, "error" | "answer"> | null = null;
    let status: grpc.StatusObject | null = null;
    let head: grpc.Metadata | null = null;
    const settle = (): void => {
      if (result !== null && status !== null) resolve({ ...result, status, metadata: head });
    };
    const call = client.makeUnaryRequest(
      `/test.Echo/${method}`,
      same,
      same,
      message,
      metadata,
      options,
      (error, answer) => {
        result = { error, answer };
        settle();
      },
    );
    call.on("metadata", (one: grpc.Metadata) => {
      head = one;
    });
    call.on("status", (one: grpc.StatusObject) => {
      status = one;
      settle();
    });
  });

/** How a call ends. Not by `once`, which takes an error for a rejection. */
const statusOf = (call: { on(event: "status", listener: (status: grpc.StatusObject) => void): unknown }) =>
  new Promise<number>((resolve) => void call.on("status", ({ code }) => resolve(code)));

const abandonedCall = (): Promise<void> =>
  new Promise((resolve) => {
    watcher.onAbandoned = resolve;
  });

t.test("unary: message, metadata, trailers", async (t) => {
  const metadata = new grpc.Metadata();
  metadata.set("x-meta", "there and back");
  const { error, answer, metadata: head, status } = await unary("Unary", Buffer.from("hello"), metadata);
  t.equal(error, null);
  t.equal(answer?.toString(), "hello");
  t.same(head?.get("x-meta"), ["there and back"]);
  t.equal(status.code, OK);
  t.same(status.metadata.get("x-trailer"), ["behind"]);
});

t.test("unary: a message without a byte, and one of 4 MiB", async (t) => {
  t.equal((await unary("Unary", Buffer.alloc(0))).answer?.length, 0);
  const large = Buffer.alloc(MESSAGE_BYTES, "0123456789abcdef-");
  const { error, answer } = await unary("Unary", large);
  t.equal(error, null);
  t.ok(answer?.equals(large));
});

t.test("unary: many at once on one connection", async (t) => {
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, index) => unary("Unary", Buffer.from(`call ${index}`))),
  );
  t.same(
    answers.map(({ answer }) => answer?.toString()),
    answers.map((_, index) => `call ${index}`),
    "more than the streams that we announce",
  );
});

t.test("server streaming: 2,000 small messages, and 64 of 64 KiB to a reader that pauses", async (t) => {
  for (const [count, size, pauses] of [
    [2000, 10, false],
    [64, 65_536, true],
  ] as const) {
    const call = client.makeServerStreamRequest(
      "/test.Echo/ServerStream",
      same,
      same,
      Buffer.from(`${count} ${size}`),
      new grpc.Metadata(),
      {},
    );
    const sizes: number[] = [];
    let inOrder = true;
    call.on("data", (message: Buffer) => {
      inOrder &&= message[0] === sizes.length % 256;
      sizes.push(message.length);
      if (!pauses || sizes.length % 16 !== 0) return;
      call.pause();
      setImmediate(() => call.resume());
    });
    const [status] = (await once(call, "status")) as [grpc.StatusObject];
    t.equal(status.code, OK);
    t.same([sizes.length, new Set(sizes)], [count, new Set([size])]);
    t.ok(inOrder);
    if (pauses) t.same(status.metadata.get("x-held"), ["yes"], "the handler was held back");
  }
});

t.test("client streaming", async (t) => {
  const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
    const call = client.makeClientStreamRequest(
      "/test.Echo/ClientStream",
      same,
      same,
      new grpc.Metadata(),
      {},
      (error, answer) => (error === null ? resolve(answer) : reject(error)),
    );
    for (let index = 0; index < 100; index += 1) call.write(Buffer.alloc(index * 100));
    call.end();
  });
  t.equal(answer?.toString(), "100 495000");
});

t.test("both ways at once: each message is answered before the next is sent", async (t) => {
  const call = client.makeBidiStreamRequest("/test.Echo/Bidi", same, same, new grpc.Metadata(), {});
  const status = statusOf(call);
  for (let index = 0; index < 50; index += 1) {
    call.write(Buffer.from(`message ${index}`));
    const [answer] = (await once(call, "data")) as [Buffer];
    if (answer.toString() !== `message ${index}`) t.fail(`${index}: ${answer}`);
  }
  call.end();
  t.equal(await status, OK);
});

t.test("a failure without a message, one behind a message, and an unknown method", async (t) => {
  const missing = await unary("Missing", Buffer.from("x"));
  t.match(missing.error, { code: NOT_FOUND, details: "no such thing" });
  t.match((await unary("Late", Buffer.from("x"))).error, { code: NOT_FOUND, details: "too late" });
  t.match((await unary("Unknown", Buffer.from("x"))).error, { code: UNIMPLEMENTED });
});

t.test("a deadline that passes, and a call that is cancelled: the handler hears of both", async (t) => {
  abandoned.length = 0;
  const late = abandonedCall();
  const { error } = await unary("Never", Buffer.from("x"), undefined, { deadline: Date.now() + 100 });
  t.equal(error?.code, DEADLINE_EXCEEDED);
  await late;
  const call = client.makeBidiStreamRequest("/test.Echo/Never", same, same, new grpc.Metadata(), {});
  call.on("error", () => undefined);
  await once(call, "metadata");
  const left = abandonedCall();
  const status = statusOf(call);
  call.cancel();
  t.equal(await status, CANCELLED);
  await left;
  t.same(abandoned, ["ERR_CLIENT_LEFT", "ERR_CLIENT_LEFT"]);
  t.equal((await unary("Unary", Buffer.from("still there"))).answer?.toString(), "still there");
});

t.test("a server that drains lets calls end", async (t) => {
  const call = client.makeBidiStreamRequest("/test.Echo/Bidi", same, same, new grpc.Metadata(), {});
  call.write(Buffer.from("before"));
  await once(call, "data");
  const closed = server.close();
  call.write(Buffer.from("after"));
  const [answer] = (await once(call, "data")) as [Buffer];
  t.equal(answer.toString(), "after");
  const status = statusOf(call);
  call.end();
  t.equal(await status, OK);
  await closed;
  t.equal(server.stats().leases, 0);
});
