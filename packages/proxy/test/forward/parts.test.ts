// The forwarder's parts by themselves: who is chosen, what a name stands for, what is said of the client.
import { proxyProtocol } from "@percore/core";
import { memoryPair } from "@percore/core/testing";
import fc from "fast-check";
import t from "tap";
import { type Candidate, makeBalancer } from "../../src/forward/balancer.ts";
import { HostName, type Resolved } from "../../src/forward/names.ts";
import { proxyHeader } from "../../src/forward/proxy-header.ts";
import { RETRIES_MIN, RetryBudget } from "../../src/forward/retry-budget.ts";
import { acceptOf } from "../../src/forward/websocket-key.ts";
import { clientAddress, HOPS_MAX } from "../../src/limits/client-address.ts";
import { Networks } from "../../src/limits/networks.ts";

const server = (text: string, weight = 1, active = 0): Candidate => ({ text, weight, active });
/** What core's reader makes of a header, by which we serve ourselves. */
const readBack = (header: Uint8Array): string => {
  const unix = { family: "unix", address: "", port: 0 } as const;
  const { client, server: end, pump } = memoryPair({ info: { remote: unix, local: unix } });
  let read = "nothing";
  proxyProtocol({ trusted: [] })(end, (error, connection) => {
    const found = connection?.header;
    if (error !== null || found == null) read = `${error}`;
    else if (found.source === null || found.destination === null) read = "nobody";
    else read = `${found.source.address}|${found.source.port}|${found.destination.address}|${found.destination.port}`;
  });
  client.writeBytes(header);
  client.writeBytes(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
  pump.run();
  end.reset();
  pump.run();
  return read;
};

const none = (): string => "";

t.test("round robin spreads weights evenly", async (t) => {
  const choose = makeBalancer({ kind: "round-robin" }, Math.random);
  const servers = [server("a", 5), server("b"), server("c")];
  const order = Array.from({ length: 7 }, () => choose(servers, none).text).join("");
  t.equal(order, "aabacaa");
});

t.test("least requests, by weight", async (t) => {
  const choose = makeBalancer({ kind: "least-requests" }, Math.random);
  t.equal(choose([server("a", 1, 2), server("b", 1, 1)], none).text, "b");
  t.equal(choose([server("a", 4, 3), server("b", 1, 1)], none).text, "a");
  const equal = [server("a"), server("b")];
  t.same(new Set([choose(equal, none).text, choose(equal, none).text]), new Set(["a", "b"]), "each in turn");
});

t.test("power of two takes the less loaded of two", async (t) => {
  const choose = makeBalancer({ kind: "power-of-two" }, () => 0);
  t.equal(choose([server("a", 1, 5), server("b", 1, 1), server("c")], none).text, "b");
  t.equal(choose([server("only", 1, 9)], none).text, "only");
});

t.test("consistent hash: a server that goes moves its own keys only, and load is bounded", async (t) => {
  const choose = makeBalancer({ kind: "hash", by: { kind: "client" }, loadMax: 1.25 }, Math.random);
  const servers = ["a", "b", "c", "d"].map((text) => server(text));
  const rest = servers.filter(({ text }) => text !== "b");
  let moved = 0;
  const counts: Record<string, number> = { a: 0, b: 0, c: 0, d: 0 };
  for (let key = 0; key < 4_000; key += 1) {
    const before = choose(servers, () => `key ${key}`).text;
    counts[before] += 1;
    const after = choose(rest, () => `key ${key}`).text;
    if (before !== "b" && before !== after) moved += 1;
  }
  t.equal(moved, 0);
  for (const count of Object.values(counts)) t.ok(count > 800 && count < 1_200, `${count} of 4,000`);
  const busy = (text: string): Candidate => server(text, 1, 10);
  const first = choose(servers, () => "k").text;
  const loaded = servers.map((one) => (one.text === first ? busy(one.text) : one));
  t.not(choose(loaded, () => "k").text, first, "one far above the mean is passed over");
});

t.test("any balancer chooses one of the servers", async (t) => {
  const kinds = [
    { kind: "round-robin" },
    { kind: "least-requests" },
    { kind: "power-of-two" },
    { kind: "hash", by: { kind: "path" }, loadMax: 1 },
  ] as const;
  const lists = fc.uniqueArray(
    fc.record({ text: fc.string(), weight: fc.integer({ min: 1, max: 256 }), active: fc.nat(50) }),
    {
      minLength: 1,
      maxLength: 8,
      selector: ({ text }) => text,
    },
  );
  fc.assert(
    fc.property(lists, fc.constantFrom(...kinds), fc.string(), (servers, plan, key) => {
      const choose = makeBalancer(plan, Math.random);
      return servers.every(() => servers.includes(choose(servers, () => key) as (typeof servers)[number]));
    }),
  );
  t.pass();
});

t.test("names are looked up again when their time is over", async (t) => {
  let now = 0;
  let answer: Resolved | Error = { addresses: ["192.0.2.1", "192.0.2.2"], ttlS: 5 };
  let asked = 0;
  const name = new HostName("a.example", {
    ttlMinMs: 1_000,
    ttlMaxMs: 60_000,
    now: () => now,
    resolve: async () => {
      asked += 1;
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  const changes: string[] = [];
  name.onChange = () => changes.push(name.addresses.join());
  t.same(await name.next(), ["192.0.2.1", "192.0.2.2"]);
  t.same(await name.next(), ["192.0.2.2", "192.0.2.1"], "another one first");
  t.equal(asked, 1);
  now = 5_000;
  answer = { addresses: ["192.0.2.9"], ttlS: 0 };
  t.equal((await name.next())[0], "192.0.2.1", "the old ones while new ones are asked for");
  await new Promise((resolve) => setImmediate(resolve));
  t.same(changes, ["192.0.2.9"]);
  now = 5_500;
  await name.next();
  t.equal(asked, 2, "no more often than ttlMin");
  now = 6_000;
  answer = new Error("no resolver");
  await name.next();
  await new Promise((resolve) => setImmediate(resolve));
  t.same(await name.next(), ["192.0.2.9"], "a resolver that fails changes nothing");
  const unknown = new HostName("b.example", {
    ttlMinMs: 1,
    ttlMaxMs: 1,
    now: () => 0,
    resolve: () => Promise.reject(new Error("gone")),
  });
  await t.rejects(unknown.next(), { message: "gone" });
  t.same(
    await new HostName("192.0.2.7", {
      ttlMinMs: 1,
      ttlMaxMs: 1,
      now: () => 9e9,
      resolve: () => Promise.reject(new Error()),
    }).next(),
    ["192.0.2.7"],
  );
});

t.test("the retry budget forgets what is ten seconds old", async (t) => {
  const budget = new RetryBudget();
  for (let count = 0; count < RETRIES_MIN; count += 1) t.ok(budget.retry(1_000, 20));
  t.notOk(budget.retry(1_999, 20));
  for (let count = 0; count < 100; count += 1) budget.request(2_000);
  for (let count = 0; count < 10; count += 1) t.ok(budget.retry(2_000, 20), "a fifth of a hundred");
  t.notOk(budget.retry(2_000, 20));
  t.ok(budget.retry(11_500, 20), "those of the first second are past");
  t.notOk(new RetryBudget().retry(0, 0), "0 is none");
});

t.test("RFC 6455 §1.3: the key and its answer", async (t) => {
  t.equal(acceptOf("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

t.test("PROXY headers are read as they were meant", async (t) => {
  const address = (text: string, port: number) =>
    ({ family: text.includes(":") ? "ipv6" : "ipv4", address: text, port }) as const;
  for (const version of [1, 2] as const) {
    for (const [remote, local] of [
      [address("192.0.2.1", 1_234), address("198.51.100.2", 443)],
      [address("2001:db8::1", 65_535), address("::1", 1)],
      [address("2001:db8:1:2:3:4:5:6", 1), address("fe80::9", 2)],
    ]) {
      const read = readBack(proxyHeader(version, { remote, local }));
      t.equal(read, `${remote.address}|${remote.port}|${local.address}|${local.port}`, `version ${version}`);
    }
    t.equal(readBack(proxyHeader(version, null)), "nobody");
    const unix = { family: "unix", address: "/x", port: 0 } as const;
    t.equal(readBack(proxyHeader(version, { remote: unix, local: unix })), "nobody");
  }
});

t.test("who the client is", async (t) => {
  const trust = new Networks(["10.0.0.0/8", "::1"]);
  const of = (peer: string, headers: Record<string, string>, family = "ipv4"): string =>
    clientAddress(
      {
        connection: { remote: { family, address: peer, port: 1 } },
        fields: { get: (name: string) => headers[name] },
      } as never,
      trust,
    );
  for (const [name, peer, headers, want] of [
    ["nobody before us", "192.0.2.1", {}, "192.0.2.1"],
    ["somebody we do not trust", "192.0.2.1", { "x-forwarded-for": "1.1.1.1" }, "192.0.2.1"],
    ["a proxy of ours", "10.0.0.1", { "x-forwarded-for": "192.0.2.9" }, "192.0.2.9"],
    ["what a client wrote stands further left", "10.0.0.1", { "x-forwarded-for": "6.6.6.6, 192.0.2.9" }, "192.0.2.9"],
    ["two proxies of ours", "10.0.0.1", { "x-forwarded-for": "6.6.6.6, 192.0.2.9, 10.0.0.2" }, "192.0.2.9"],
    ["all of them ours", "10.0.0.1", { "x-forwarded-for": "10.0.0.3, 10.0.0.2" }, "10.0.0.3"],
    ["no address", "10.0.0.1", { "x-forwarded-for": "192.0.2.9, unknown" }, "10.0.0.1"],
    ["ports", "10.0.0.1", { "x-forwarded-for": "192.0.2.9:1234" }, "192.0.2.9"],
    ["Forwarded", "10.0.0.1", { forwarded: 'for="[2001:db8::1]:80";proto=https' }, "2001:db8::1"],
    ["Forwarded, hidden", "10.0.0.1", { forwarded: "for=_gazonk" }, "10.0.0.1"],
    ["IPv4 in IPv6", "::ffff:10.0.0.1", { "x-forwarded-for": "192.0.2.9" }, "192.0.2.9"],
    ["no list", "10.0.0.1", {}, "10.0.0.1"],
  ] as const) {
    t.equal(of(peer, headers as Record<string, string>), want, name);
  }
  t.equal(
    of("/run/x.sock", { "x-forwarded-for": "192.0.2.9" }, "unix"),
    "192.0.2.9",
    "a Unix socket's peer is trusted",
  );
  const endless = Array(HOPS_MAX + 5).fill("10.0.0.9");
  t.equal(of("10.0.0.1", { "x-forwarded-for": ["192.0.2.9", ...endless].join() }), "10.0.0.9", "a list has its end");
});
