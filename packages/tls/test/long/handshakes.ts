// handshakes.ts — npm run test:long -- tls:handshakes: PERCORE_HANDSHAKES (default 100000) of them, a third broken off anywhere.
// Nothing may be left of any, and memory at the end is that of the first fifth.

import { Arena } from "@percore/core";
import { FakeClock, memoryPair, Pump, Random } from "@percore/core/testing";
import { TlsAcceptor } from "../../src/stream/acceptor.ts";
import { connectTls } from "../../src/stream/connect.ts";
import { TlsThread } from "../../src/stream/thread.ts";
import { clientOf, Echo, only, Recorder, serverOf, VERSIONS } from "../stream/harness.ts";

const COUNT = Number(process.env.PERCORE_HANDSHAKES ?? 100_000);
const AT_ONCE = 50;
const GROWTH_MAX = 1.05;

const random = new Random(Number(process.env.PERCORE_FUZZ_SEED ?? Date.now() % 1_000_000));
const arena = new Arena({ bytes: 64 * 1024 * 1024 });
const clock = new FakeClock();
const acceptor = new TlsAcceptor({ clock, context: serverOf() });
const contexts = VERSIONS.map((version) => clientOf(only(version)));
let echoed = 0;

const connection = (pump: Pump): void => {
  const broken = random.chance(1 / 3);
  const direction = random.chance(0.5) ? "toServer" : "toClient";
  // Anywhere in the handshake or a little behind it.
  const resetAt = random.integer(1, direction === "toServer" ? 600 : 1600);
  const memory = memoryPair({
    arena,
    pump,
    seed: random.integer(1, 1 << 30),
    ...(broken ? { [direction]: { resetAt } } : {}),
  });
  acceptor.accept(memory.server, (_error, stream) => stream?.attach(new Echo(stream)));
  const options = { clock, context: contexts[random.integer(0, 1)], serverName: "localhost" };
  connectTls(memory.client, options, (_error, stream) => {
    if (stream === null) return;
    const recorder = new Recorder(stream);
    stream.attach(recorder);
    stream.writeBytes(new Uint8Array(random.integer(1, 500)));
    stream.end();
    void recorder.closed.then(() => {
      if (recorder.bytes > 0) echoed += 1;
    });
  });
};

/** The least of a few looks: V8 gives pages back when it comes to it. */
const rss = async (): Promise<number> => {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 5; look += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
    least = Math.min(least, process.memoryUsage().rss);
  }
  return least;
};

let early = 0;
for (let done = 0; done < COUNT; done += AT_ONCE) {
  const pump = new Pump();
  for (let at = 0; at < AT_ONCE; at += 1) connection(pump);
  await pump.settle();
  clock.pass(10_000);
  await pump.settle();
  if (early === 0 && done >= COUNT / 5) early = await rss();
}

const late = await rss();
const { completed, resumed, failed, handshakes, waiting } = acceptor.stats;
const sessions = TlsThread.of(arena).engine.sessions();
const { outstanding } = arena.stats;
const growth = late / early;
console.log(`${COUNT} connections: ${completed} established (${resumed} resumed), ${failed} failed, ${echoed} echoed`);
console.log(
  `memory ${(early / 2 ** 20).toFixed(1)} MiB at a fifth, ${(late / 2 ** 20).toFixed(1)} MiB at the end: × ${growth.toFixed(3)}`,
);
console.log(
  `left: ${sessions} sessions, ${outstanding} leases, ${handshakes + waiting} handshakes, ${clock.wheel.size} deadlines`,
);
const clean = sessions + outstanding + handshakes + waiting + clock.wheel.size === 0;
process.exit(clean && growth <= GROWTH_MAX && completed + failed === COUNT && failed > COUNT / 8 ? 0 : 1);
