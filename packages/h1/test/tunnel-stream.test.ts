// A tunnel is a Stream like any other: everything it does, the connection's own stream does.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Stream } from "@percore/core";
import t from "tap";
import { arena, rig, textOf } from "./harness.ts";

const UPGRADE = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

t.test("every way to write, and back-pressure both ways", async (t) => {
  const events: string[] = [];
  let tunnel: Stream | null = null;
  const target = rig({
    handler: (exchange) => {
      tunnel = exchange.tunnel([]);
      tunnel.attach({
        onData(lease) {
          events.push(textOf(lease));
          lease.release();
        },
        onEnd: () => void events.push("end"),
        onDrain: () => void events.push("drain"),
        onClose: () => void events.push("close"),
      });
    },
  });
  target.peer.send(UPGRADE).text();
  const stream = tunnel as unknown as Stream;
  const directory = mkdtempSync(path.join(tmpdir(), "percore-tunnel-"));
  writeFileSync(path.join(directory, "file"), "file");
  const fd = openSync(path.join(directory, "file"), "r");
  t.ok(stream.open);
  t.equal(stream.info, target.stream.info);
  stream.cork();
  const at = stream.reserve(3);
  arena.u8.set([97, 98, 99], at);
  stream.commit(3);
  const lease = arena.lease(1);
  lease.bytes[0] = 100;
  stream.write(lease);
  stream.writeBytes(new Uint8Array([101]));
  stream.sendFile(fd, 0, 4, (error, sent) => events.push(`${error} ${sent}`));
  t.equal(target.peer.text(), "", "corked");
  stream.uncork();
  stream.flush();
  stream.onFlushed((error) => events.push(`flushed ${error}`));
  t.equal(target.peer.text(), "abcdefile");
  t.same(events.splice(0).sort(), ["flushed null", "null 4"]);

  stream.pause();
  t.ok(stream.paused);
  target.peer.send("held");
  t.same(events, []);
  stream.resume();
  target.pump.run();
  t.same(events.splice(0), ["held"]);

  stream.highWaterBytes = 1000;
  t.equal(stream.highWaterBytes, 1000);
  target.peer.stream.pause();
  stream.writeBytes(new Uint8Array(300_000));
  t.ok(stream.needsDrain);
  t.ok(stream.queuedBytes > 1000);
  target.peer.stream.resume();
  target.pump.run();
  t.same(events.splice(0), ["drain"]);

  const back = arena.lease(2);
  back.bytes.set([104, 105]);
  stream.unread(back);
  stream.attach({
    onData(given) {
      events.push(`next owner: ${textOf(given)}`);
      given.release();
    },
    onEnd: () => void events.push("end"),
    onDrain() {},
    onClose: () => void events.push("close"),
  });
  target.peer.end();
  target.pump.run();
  t.same(events.splice(0), ["next owner: hi", "end"]);
  t.ok(stream.peerEnded);
  stream.end();
  t.ok(stream.ended);
  target.pump.run();
  t.same(events, ["close"]);
  closeSync(fd);
  rmSync(directory, { recursive: true });
  await target.finish();
});

t.test("a tunnel that its owner resets", async (t) => {
  const target = rig({
    handler: (exchange) => {
      const stream = exchange.tunnel([]);
      stream.attach({ onData: (lease) => lease.release(), onEnd() {}, onDrain() {}, onClose() {} });
      stream.reset();
    },
  });
  target.peer.send(UPGRADE);
  t.equal((target.peer.error as { code?: string } | null)?.code, "ECONNRESET");
  await target.finish();
});
