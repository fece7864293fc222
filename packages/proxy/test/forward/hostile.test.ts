// Servers that break the rules: each harms its own request only, and no client sees bytes of another answer.
import { request } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { currentRuntime } from "@percore/core";
import t, { type Test } from "tap";
import { liveProxy } from "./live.ts";

const GOOD = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood";

/** A server that answers each connection's first request with these bytes, and the second, if there is one, with a word. */
const rawServer = async (
  t: Test,
  answer: string | ((socket: Socket) => void),
): Promise<{ address: string; connections(): number }> => {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    let requests = 0;
    let head = "";
    socket.on("data", (chunk: Buffer) => {
      head += chunk.toString("latin1");
      while (head.includes("\r\n\r\n")) {
        head = head.slice(head.indexOf("\r\n\r\n") + 4);
        requests += 1;
        if (requests > 1) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nreused");
        else if (typeof answer === "function") answer(socket);
        else socket.write(answer, "latin1");
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => connections };
};

interface Outcome {
  readonly status: number;
  readonly body: string;
  readonly whole: boolean;
}

const ask = (port: number, path = "/"): Promise<Outcome> =>
  new Promise((resolve) => {
    const asked = request({ port, host: "127.0.0.1", path, agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => {
        body += chunk;
      });
      response.on("error", () => resolve({ status: response.statusCode ?? 0, body, whole: false }));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body, whole: response.complete }));
    });
    asked.on("error", () => resolve({ status: 0, body: "", whole: false }));
    asked.end();
  });

const CASES: readonly {
  readonly name: string;
  readonly answer: string | ((socket: Socket) => void);
  readonly status: number;
  readonly reason: string;
  readonly whole?: boolean;
}[] = [
  {
    name: "both lengths",
    answer: "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
    status: 502,
    reason: "PP",
  },
  {
    name: "two lengths",
    answer: "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nevil!",
    status: 502,
    reason: "PP",
  },
  { name: "no status line", answer: "hello\r\n\r\n", status: 502, reason: "PP" },
  { name: "a bare line feed in a field", answer: "HTTP/1.1 200 OK\nx: y\n\nevil", status: 502, reason: "PP" },
  {
    name: "a space before the colon",
    answer: "HTTP/1.1 200 OK\r\nx : y\r\ncontent-length: 0\r\n\r\n",
    status: 502,
    reason: "PP",
  },
  {
    name: "a head without end",
    answer: `HTTP/1.1 200 OK\r\n${"x: ".padEnd(1_000, "y")}\r\n`.concat(`x: ${"y".repeat(20_000)}\r\n`),
    status: 502,
    reason: "PP",
  },
  {
    name: "a flood of interim answers",
    answer: "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(100),
    status: 502,
    reason: "PP",
  },
  {
    name: "switching protocols unasked",
    answer: "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    status: 502,
    reason: "PP",
  },
  { name: "closes without a word", answer: (socket) => socket.end(), status: 502, reason: "SH" },
  { name: "resets", answer: (socket) => socket.resetAndDestroy(), status: 502, reason: "SH" },
  { name: "half a head", answer: (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-le"), status: 502, reason: "SH" },
  {
    name: "half a body",
    answer: (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
    status: 200,
    reason: "SD",
    whole: false,
  },
  {
    name: "half a chunk",
    answer: (socket) => socket.end("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nA\r\nhalf"),
    status: 200,
    reason: "SD",
    whole: false,
  },
  {
    name: "a bad chunk",
    answer: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ngood\r\nzz\r\n",
    status: 200,
    reason: "PP",
    whole: false,
  },
  {
    name: "another answer behind the first",
    answer: `${GOOD}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`,
    status: 200,
    reason: "-",
    whole: true,
  },
  { name: "rubbish behind the answer", answer: `${GOOD}\r\n\r\nrubbish`, status: 200, reason: "-", whole: true },
];

t.test("HTTP/1.1", async (t) => {
  for (const { name, answer, status, reason, whole = true } of CASES) {
    await t.test(name, async (t) => {
      const bad = await rawServer(t, answer);
      const good = await rawServer(t, GOOD);
      const proxy = await liveProxy(t, {
        upstreams: { bad: { servers: bad.address, retries: false, ejection: false }, good: good.address },
        routes: [{ path: "/good", upstream: "good" }, { upstream: "bad" }],
      });
      const outcome = await ask(proxy.port);
      // Where the answer breaks off in the turn in which it began, the reset may overtake the head.
      if (whole || outcome.status !== 0) t.equal(outcome.status, status);
      t.equal(proxy.records[0].status, status);
      t.equal(outcome.whole, whole);
      t.notMatch(outcome.body, /evil|rubbish/);
      t.equal(proxy.records[0].reason, reason);
      t.equal((await ask(proxy.port, "/good")).body, "good", "others are not harmed");
      const again = await ask(proxy.port);
      t.notMatch(again.body, /evil|rubbish|reused/, "the connection is not used again");
      t.equal(bad.connections(), 2);
    });
  }
});

t.test("nothing is left", async (t) => {
  for (let turn = 0; turn < 60 && currentRuntime().arena.stats.outstanding > 0; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.equal(currentRuntime().arena.stats.outstanding, 0);
});
