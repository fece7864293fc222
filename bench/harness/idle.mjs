// `npm run bench -- idle`: memory of idle keep-alive connections. The process's own memory is measured, which is what a server
// adds above the kernel's own; the kernel's share (both ends of each loopback connection) is shown beside it.
import { setTimeout as sleep } from "node:timers/promises";
import { peersOf } from "../peers/index.mjs";
import { buildLoad } from "./build.mjs";
import { caseNamed, requestFile, writeInputs } from "./cases.mjs";
import { LOAD_CPU } from "./machine.mjs";
import { choose } from "./options.mjs";
import { checkAnswers } from "./probe.mjs";
import { groupPrivateMemory, groupRss, kernelMemory } from "./proc.mjs";
import { start, stop } from "./processes.mjs";
import { writeResult } from "./results.mjs";
import { findPeers, startServer } from "./servers.mjs";
import { median } from "./statistics.mjs";
import { align, bold, dim, green, red } from "./table.mjs";

/** The target of stage 1 for ours, bytes of resident memory per connection. */
const BYTES_MAX = 3 * 1024;
const DEFAULT = ["percore", "percore-poll", "nginx", "haproxy", "hyper", "bun", "node"];
/** Collectors of garbage get this long to give back what the burst of new connections cost. */
const SETTLE_MS = 2500;

const request = caseNamed("hello-64");

const settled = async (group) => {
  await sleep(SETTLE_MS);
  return { rss: groupRss(group), owned: groupPrivateMemory(group), kernel: kernelMemory() };
};

const hold = async (generator, port, connections) => {
  const holder = start(
    [
      generator,
      "--port",
      String(port),
      "--connections",
      String(connections),
      "--mode",
      "hold",
      "--seconds",
      "60",
    ].concat(["--length", String(request.body.length), "--request", requestFile(request)]),
    { cpus: String(LOAD_CPU), input: true },
  );
  for (let waited = 0; !holder.output.out.includes("\n") && waited < 30_000; waited += 50) await sleep(50);
  const held = Number(/"held":(\d+)/.exec(holder.output.out)?.[1] ?? 0);
  return { holder, held };
};

/** One server: empty, with all connections idle, and after they have gone. */
const measureIdle = async (peer, generator, connections) => {
  const server = await startServer(peer);
  try {
    await checkAnswers(server.port, request);
    const empty = await settled(server.group);
    const { holder, held } = await hold(generator, server.port, connections);
    if (held < connections) {
      await stop(holder);
      throw new Error(`only ${held} of ${connections} connections were answered`);
    }
    const full = await settled(server.group);
    await stop(holder);
    const after = await settled(server.group);
    return {
      rss: (full.rss - empty.rss) / connections,
      owned: (full.owned - empty.owned) / connections,
      kernel: (full.kernel - empty.kernel) / connections,
      kept: (after.rss - empty.rss) / connections,
      emptyRss: empty.rss,
    };
  } finally {
    await server.stop();
  }
};

/** @returns {Promise<number>} the exit status: 1 when ours misses its target */
export const runIdle = async (options) => {
  writeInputs();
  const generator = await buildLoad();
  const { present, absent } = await findPeers(
    choose("implementation", peersOf("h1", options.ours), options.impl ?? DEFAULT),
  );
  for (const peer of absent) console.log(dim(`absent: ${peer.label} – ${peer.reason}`));
  const rounds = Math.min(options.rounds, 3);
  const results = present.map((peer) => ({
    impl: peer.name,
    label: peer.label,
    version: peer.version,
    rounds: [],
    failures: [],
  }));
  for (let round = 1; round <= rounds; round++) {
    for (const [index, peer] of present.entries()) {
      const result = results[index];
      if (result.failures.length > 0) continue;
      process.stderr.write(`round ${round} · ${peer.label}\n`);
      try {
        result.rounds.push(await measureIdle(peer, generator, options.connections));
      } catch (error) {
        result.failures.push(error.message);
      }
    }
  }
  console.log(table(results, options.connections));
  console.log(
    `result: ${writeResult("idle", { connections: options.connections, limit: BYTES_MAX, results }, options.out)}`,
  );
  const ours = results.filter(({ impl }) => impl.startsWith("percore"));
  return ours.every((result) => result.rounds.length > 0 && bytes(result, "rss") <= BYTES_MAX) ? 0 : 1;
};

const bytes = ({ rounds }, figure) => median(rounds.map((round) => round[figure]));

const table = (results, connections) => {
  const rows = results
    .filter(({ rounds }) => rounds.length > 0)
    .map((result) => [
      result.label,
      Math.round(bytes(result, "rss")).toLocaleString("en-US"),
      Math.round(bytes(result, "owned")).toLocaleString("en-US"),
      Math.round(bytes(result, "kept")).toLocaleString("en-US"),
      Math.round(bytes(result, "kernel")).toLocaleString("en-US"),
      `${(bytes(result, "emptyRss") / 1048576).toFixed(1)} MiB`,
      result.impl.startsWith("percore") ? (bytes(result, "rss") <= BYTES_MAX ? green("hit") : red("miss")) : "",
    ]);
  const head = [
    "",
    "RSS B/conn.",
    "private B/conn.",
    "kept after",
    "kernel B/conn. (both ends)",
    "RSS empty",
    `≤ ${BYTES_MAX}`,
  ];
  const failures = results.flatMap(({ label, failures: all }) => all.map((text) => red(`${label}: ${text}`)));
  return [bold(`${connections} idle keep-alive connections`), ...align([head, ...rows]), ...failures].join("\n");
};
