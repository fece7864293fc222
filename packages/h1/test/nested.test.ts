// A handler may make another connection parse, from inside of itself; heads that are still being read stay what they are.
import { memoryPair, ScriptedPeer } from "@percore/core/testing";
import type { Exchange } from "@percore/http";
import t from "tap";
import { arena, fieldLines, rig, textOf } from "./harness.ts";

const outer = "POST /outer HTTP/1.1\r\nHost: outer\r\nX-One: 1\r\nContent-Length: 9\r\n\r\nouterbody";
const inner = "POST /inner HTTP/1.1\r\nHost: inner\r\nX-Two: 2\r\nX-Three: 3\r\nContent-Length: 9\r\n\r\ninnerbody";

t.test("tapes of nested parsers lie above each other", async (t) => {
  const seen: string[] = [];
  const bodyOf = (exchange: Exchange, done: (text: string) => void): void => {
    let text = "";
    exchange.receive({
      onBody(lease) {
        text += textOf(lease);
        lease.release();
      },
      onBodyEnd: () => done(text),
      onBodyError() {},
    });
  };
  const second = memoryPair({ arena });
  const peer = new ScriptedPeer(second.client, second.pump);
  const target = rig({
    handler: (exchange) => {
      if (exchange.path === "/outer") {
        const { fields } = exchange;
        peer.send(inner);
        seen.push(exchange.target, ...fieldLines(fields));
      } else seen.push(exchange.target, ...fieldLines(exchange.fields));
      bodyOf(exchange, (text) => {
        seen.push(text);
        exchange.respond(200, [], text);
      });
    },
  });
  target.server.accept(second.server);
  target.peer.send(outer);
  t.same(seen, [
    ...["/inner", "Host: inner", "X-Two: 2", "X-Three: 3", "Content-Length: 9", "innerbody"],
    ...["/outer", "Host: outer", "X-One: 1", "Content-Length: 9", "outerbody"],
  ]);
  t.match(target.peer.text(), /outerbody$/);
  t.match(peer.text(), /innerbody$/);
  peer.end();
  second.pump.run();
  await target.finish();
});
