// Hello with one worker and with one on every processor. With all of them busy the load has to share them, so requests/s say
// little; CPU per request (does a second worker make each request dearer?) and the skew between workers say more.
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { caseNamed } from "../harness/cases.mjs";
import { runLoad } from "../harness/load.mjs";
import { LOAD_CPU, SERVER_CPU } from "../harness/machine.mjs";
import { checkAnswers } from "../harness/probe.mjs";
import { cpuBetween, groupCpu, threadsBetween } from "../harness/proc.mjs";
import { startServer } from "../harness/servers.mjs";

const CASE = "hello-256";
/** Threads that took less than this share of the busiest one serve nobody: compilers, supervisors. */
const WORKER_SHARE_MIN = 0.02;
/** The port is open when the first worker listens; a worker that comes later would get no connection. */
const WORKERS_START_MS = 1000;

/**
 * What is compared, by peer and environment: thread per core without sharing, work stealing, one process per core.
 * @type {{ name: string, peer: string, label: string, model: string, env?: Record<string, string> }[]}
 */
export const MODELS = [
  { name: "percore", peer: "percore", label: "Percore", model: "thread per core" },
  { name: "percore-poll", peer: "percore-poll", label: "Percore, poll", model: "thread per core" },
  {
    name: "tokio-steal",
    peer: "hyper",
    label: "Hyper, work stealing",
    model: "shared queue",
    env: { RUNTIME: "steal" },
  },
  {
    name: "tokio-shared-nothing",
    peer: "hyper",
    label: "Hyper, one runtime per thread",
    model: "thread per core",
    env: { RUNTIME: "shared-nothing" },
  },
  { name: "nginx", peer: "nginx", label: "NGINX", model: "process per core" },
  { name: "haproxy", peer: "haproxy", label: "HAProxy", model: "threads, shared listener" },
  { name: "node", peer: "node", label: "node:cluster", model: "process per core" },
];

/** @returns {{ workers: number, server: string, load: string }[]} the two layouts that are measured */
export const layouts = () => {
  const all = availableParallelism();
  const every = `0-${all - 1}`;
  return [
    { workers: 1, server: String(SERVER_CPU), load: String(LOAD_CPU) },
    { workers: all, server: every, load: every },
  ];
};

/** One window. CPU in µs per request; `shares`: each worker's part of all work; `skew`: the busiest against the mean. */
export const measureScaling = async (peer, model, layout, { generator, seconds, warmup }) => {
  const one = caseNamed(CASE);
  const server = await startServer(peer, { workers: layout.workers, cpus: layout.server, env: model.env });
  const at = {};
  try {
    await checkAnswers(server.port, one);
    await sleep(WORKERS_START_MS);
    const read = (end) => () => {
      at[end] = groupCpu(server.group);
    };
    const load = { generator, one, port: server.port, warmup, seconds, cpus: layout.load };
    const result = await runLoad({ ...load, onBegin: read("begin"), onEnd: read("end") });
    const { total, user } = cpuBetween(at.begin, at.end);
    const busy = threadsBetween(at.begin, at.end);
    const workers = busy.filter((spent) => spent > busy[0] * WORKER_SHARE_MIN).slice(0, layout.workers);
    const sum = workers.reduce((all, spent) => all + spent, 0);
    return {
      requestsPerSecond: result.requests / result.seconds,
      cpu: total / 1000 / result.requests,
      user: user / 1000 / result.requests,
      shares: workers.map((spent) => spent / sum),
      skew: (workers[0] * layout.workers) / sum,
      errors: Object.values(result.errors).reduce((all, count) => all + count, 0),
    };
  } finally {
    await server.stop();
  }
};
