// options.test.ts — every option is honoured or refused, and the refusal says what would be right.
import t from "tap";
import { PROTOCOL_MARK, Response, type ServeOptions, serve } from "../src/index.ts";
import { nearest } from "../src/nearest.ts";
import { readSettings } from "../src/options.ts";

const fetch = (): Response => new Response("hi");
const refuses = (options: object, message: RegExp, name: string): void => {
  t.throws(() => serve(options as ServeOptions), { code: "ERR_OPTION_INVALID", message }, name);
};

t.test("wrong options are refused by name", async () => {
  for (const [options, message] of [
    [{ fetch, prot: 1 }, /unknown option "prot"; did you mean "port"\?/],
    [{ fetch, hostName: "a" }, /did you mean "hostname"\?/],
    [{ fetch, onlisten: fetch }, /did you mean "onListen"\?/],
    [{ fetch, connectionMax: 1 }, /did you mean "connectionsMax"\?/],
    [{ fetch, somethingElseEntirely: 1 }, /unknown option "somethingElseEntirely"$/],
    [{ fetch, constructor: 1 }, /unknown option "constructor"/],
    [{ fetch, port: "80" }, /port is "80"; it must be a whole number, 0\.\.65535/],
    [{ fetch, port: 65_536 }, /port is 65536/],
    [{ fetch, port: 1.5 }, /port is 1\.5/],
    [{ fetch, hostname: 1 }, /hostname is 1; it must be a string/],
    [{ fetch, workers: 0 }, /workers is 0; it must be a whole number, 1\.\.1024, or "auto"/],
    [{ fetch, workers: "many" }, /workers is "many"/],
    [{ fetch, cpus: "all" }, /cpus is "all"; it must be "none" or "spread", or a list of processor numbers/],
    [{ fetch, cpus: [] }, /cpus is \[\]/],
    [{ fetch, driver: "epoll" }, /driver is "epoll"; it must be "auto" or "uring" or "poll"/],
    [{ fetch, signal: {} }, /signal is an object; it must be an instance of AbortSignal/],
    [{ fetch, drainMs: -1 }, /drainMs is -1/],
    [{ fetch, unixMode: 0o660 }, /unixMode goes with unix/],
    [{ fetch, unix: "/tmp/x", port: 1 }, /unix and port exclude each other/],
    [{ fetch, fd: 3, hostname: "a" }, /fd and hostname exclude each other/],
    [{ fetch, handler: fetch }, /handler and fetch exclude each other/],
    [{ port: 1 }, /who answers\?/],
    [{ fetch: "x" }, /fetch is "x"; it must be a function/],
    [{ fetch, limits: { headBytes: 1 } }, /unknown name in limits: "headBytes"; did you mean "headBytesMax"\?/],
    [{ fetch, limits: { headBytesMax: "1" } }, /limits\.headBytesMax is "1"/],
    [{ fetch, limits: { maxHeaderSize: 1, headBytesMax: 1 } }, /limits\.headBytesMax is given twice/],
    [{ fetch, limits: { maxConnections: 1 }, connectionsMax: 1 }, /say the same/],
    [{ fetch, timeouts: { idleMS: 1 } }, /did you mean "idleMs"\?/],
    [{ fetch, timeouts: { idleMs: -1 } }, /timeouts\.idleMs is -1/],
    [{ fetch, timeouts: 1 }, /timeouts is 1; it must be an object/],
    [{ fetch, limits: { headBytesMax: 0 } }, /headBytesMax cannot be 0/],
    [{ fetch, runtime: { sqEntrys: 1 } }, /unknown name in runtime: "sqEntrys"; did you mean "sqEntries"\?/],
    [{ fetch, proxyProtocol: { trust: [] } }, /did you mean "trusted"\?/],
    [{ fetch, proxyProtocol: {} }, /proxyProtocol\.trusted is undefined; it must be a list/],
    [null, /takes an object/],
  ] as const) {
    refuses(options as object, message, JSON.stringify(options));
  }
  t.throws(() => serve({ fetch }, { prot: 1 } as never), { message: /did you mean "port"/ });
  t.throws(() => serve({ fetch, [PROTOCOL_MARK]: 2 } as never), { message: /protocol 2, known is 1/ });
});

t.test("names of the draft stand for ours", async (t) => {
  const { limits, timeouts, waitUntilMs, connectionsMax } = readSettings(
    {
      fetch,
      limits: { maxHeaderSize: 1_000, maxRequestBodySize: 2_000, maxRequestsPerConnection: 3, maxConnections: 4 },
      timeouts: { idle: 5, headers: 6, receive: 7, send: 8, tunnelIdle: 9, waitUntil: 10 },
    },
    undefined,
  );
  t.match(limits, { headBytesMax: 1_000, bodyBytesMax: 2_000, requestsPerConnectionMax: 3 });
  t.match(timeouts, { idleMs: 5, headersMs: 6, receiveMs: 7, sendMs: 8, tunnelIdleMs: 9 });
  t.same([waitUntilMs, connectionsMax], [10, 4]);
  const off = readSettings({ fetch, limits: { maxRequestBodySize: 0, maxConnections: 0 } }, undefined);
  t.same([off.limits.bodyBytesMax, off.connectionsMax], [Number.MAX_SAFE_INTEGER, undefined], "0 switches off");
});

t.test("undefined is as good as absent", async (t) => {
  const { given, drainMs, contextOnly } = readSettings({ fetch, port: undefined, limits: undefined }, undefined);
  t.same([given.port, drainMs, contextOnly], [undefined, 10_000, false]);
});

t.test("a handler object may carry the program's state", async (t) => {
  const object = { fetch, db: "anything", [PROTOCOL_MARK]: 1 };
  const settings = readSettings(object, { port: 1 });
  t.equal(settings.self, object);
  t.equal(settings.contextOnly, true);
  t.equal(settings.given.port, 1);
  t.throws(() => readSettings({ fetch, db: 1 } as never, undefined), { message: /unknown option "db"/ });
});

t.test("nearest word", async (t) => {
  t.equal(nearest("colour", ["color", "port"]), "color");
  t.equal(nearest("xyzzy", ["color", "port"]), null);
  t.equal(nearest("PORT", ["color", "port"]), "port");
  t.equal(nearest("a", []), null);
});
