// RFC 9113 §3.3: HTTP/1.1 and HTTP/2 on one port, told apart by the preface, cut anywhere.
import { Buffer } from "node:buffer";
import { Arena, type Stream } from "@percore/core";
import { FakeClock, leaseCheck, memoryPair, ScriptedPeer } from "@percore/core/testing";
import { PREFACE } from "@percore/h2";
import t from "tap";
import { serve } from "../src/index.ts";
import { PrefaceGate } from "../src/preface.ts";

const arena = new Arena({ bytes: 8 * 1024 * 1024 });

class Sink {
  readonly name: string;
  text = "";
  stream: Stream | null = null;

  constructor(name: string) {
    this.name = name;
  }

  readonly take = (stream: Stream): void => {
    this.stream = stream;
    stream.attach({
      onData: (lease) => {
        this.text += Buffer.from(lease.bytes).toString("latin1");
        lease.release();
      },
      onEnd: () => stream.end(),
      onDrain: () => undefined,
      onClose: () => undefined,
    });
  };
}

const rig = (cut: number): { gate: PrefaceGate; peer: ScriptedPeer; h1: Sink; h2: Sink; clock: FakeClock } => {
  const clock = new FakeClock(1000);
  const [h1, h2] = [new Sink("h1"), new Sink("h2")];
  const { client, server, pump } = memoryPair({ arena, toServer: { cuts: [cut] } });
  const gate = new PrefaceGate(clock, 15_000, 2_000, h1.take, h2.take);
  gate.accept(server);
  return { gate, peer: new ScriptedPeer(client, pump), h1, h2, clock };
};

t.test("told by the first bytes, cut anywhere, none lost", async (t) => {
  const leaks = leaseCheck(arena);
  const rows: [string, "h1" | "h2"][] = [
    [`${PREFACE}rest`, "h2"],
    ["GET / HTTP/1.1\r\n\r\n", "h1"],
    ["PRI * HTTP/2.0\r\n\r\nSX", "h1"],
    ["PROPFIND / HTTP/1.1\r\n\r\n", "h1"],
    ["\0", "h1"],
  ];
  for (const [bytes, want] of rows) {
    let wrong = "";
    for (let cut = 0; cut < bytes.length; cut += 1) {
      const { gate, peer, h1, h2, clock } = rig(cut);
      peer.send(bytes);
      const [got, other] = want === "h1" ? [h1, h2] : [h2, h1];
      if (got.text !== bytes || other.stream !== null || gate.size !== 0) wrong += `cut at ${cut}: ${got.text}\n`;
      if (clock.wheel.size !== 0) wrong += "a deadline is left\n";
      peer.end();
    }
    t.equal(wrong, "", JSON.stringify(bytes));
  }
  t.doesNotThrow(() => leaks.assertNone());
});

t.test("who says nothing, or half a preface, is bounded", async (t) => {
  const leaks = leaseCheck(arena);
  for (const bytes of ["", "PRI * "]) {
    const { gate, peer, clock } = rig(0);
    peer.send(bytes);
    clock.pass(15_000);
    peer.bytes();
    t.same([peer.ended, gate.timeouts], [true, 1], "told to go");
    clock.pass(2_000);
    peer.bytes();
    t.same([peer.closed, gate.size, gate.ended, clock.wheel.size], [true, 0, 1, 0], "and reset where it stays");
  }
  const { gate, peer, clock } = rig(0);
  peer.send("PRI");
  const drained = gate.drain();
  clock.pass(2_000);
  peer.bytes();
  peer.end();
  await drained;
  t.equal(gate.size, 0, "drained");
  const leaving = rig(0);
  leaving.peer.send("PR").end();
  t.same([leaving.gate.size, leaving.peer.closed], [0, true], "a client that leaves");
  t.doesNotThrow(() => leaks.assertNone());
});

t.test("options http1 and http2", async (t) => {
  const fetch = (): Response => new Response("hi");
  const codeOf = (options: object): string => {
    try {
      serve({ listen: false, fetch, ...options } as Parameters<typeof serve>[0]);
      return "none";
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.match(codeOf({ http1: false, http2: false }), /nothing is left/);
  t.match(codeOf({ http2: { streamMax: 1 } }), /did you mean "streamsMax"/);
  t.match(codeOf({ http2: { streamsMax: -1 } }), /whole number/);
  t.match(codeOf({ http2: "yes" }), /http2 is "yes"/);
  const server = serve({ listen: false, http1: false, http2: { streamsMax: 5 }, fetch });
  t.equal(await (await server.fetch("/")).text(), "hi", "server.fetch() does not depend on it");
  await server.close();
});
