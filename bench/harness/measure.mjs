// One cell of one round: one server, one case, one window. Everything that is read, is read at the window's two ends.
import { runLoad } from "./load.mjs";
import { LOAD_CPU, SERVER_CPU } from "./machine.mjs";
import { cpuBetween, groupCpu, groupPeakRss, processorTimes } from "./proc.mjs";

/**
 * @typedef {object} Round figures of one window; times in microseconds, shares of one processor (1 = all of it)
 * @property {number} requestsPerSecond
 * @property {number} cpu CPU µs per request of the server, all its processes and threads @property {number} user
 * @property {number} system
 * @property {number} p50 @property {number} p99 @property {number} p999
 * @property {number} waits how often the server went to sleep, per request
 * @property {number} peakRss bytes
 * @property {number} serverShare of its processor @property {number} loadShare of the load's processor, by the generator
 * @property {number} foreignServer share of the server's processor taken by anything else @property {number} foreignLoad
 * @property {number} errors
 */

/** @returns {Promise<Round>} */
export const measure = async ({ group, port, one, generator, warmup, seconds }) => {
  const at = { begin: undefined, end: undefined };
  const read = (loadGroup) => ({
    time: process.hrtime.bigint(),
    server: groupCpu(group),
    load: groupCpu(loadGroup),
    processors: processorTimes(),
  });
  const result = await runLoad({
    generator,
    one,
    port,
    warmup,
    seconds,
    onBegin: (loadGroup) => {
      at.begin = read(loadGroup);
    },
    onEnd: (loadGroup) => {
      at.end = read(loadGroup);
    },
  });
  const { begin, end } = at;
  const wall = Number(end.time - begin.time);
  const server = cpuBetween(begin.server, end.server);
  // Our generator tells its own time; wrk may be gone by the time its figures are read.
  const load = result.user === undefined ? cpuBetween(begin.load, end.load).total : (result.user + result.system) * 1e9;
  const perRequest = (nanoseconds) => nanoseconds / 1000 / result.requests;
  const foreign = (index, own) => {
    const busy = end.processors[index].busy - begin.processors[index].busy;
    const stolen = end.processors[index].stolen - begin.processors[index].stolen;
    return Math.max(0, busy + stolen - own) / wall;
  };
  return {
    requestsPerSecond: result.requests / result.seconds,
    bytesPerSecond: result.bytes / result.seconds,
    cpu: perRequest(server.total),
    user: perRequest(server.user),
    system: perRequest(server.system),
    p50: microseconds(result.latency.p50),
    p99: microseconds(result.latency.p99),
    p999: microseconds(result.latency.p999),
    waits: (end.server.waits - begin.server.waits) / result.requests,
    peakRss: groupPeakRss(group),
    serverShare: server.total / wall,
    loadShare: load / wall,
    foreignServer: foreign(SERVER_CPU, server.total),
    foreignLoad: foreign(LOAD_CPU, load),
    errors: Object.values(result.errors).reduce((sum, count) => sum + count, 0),
    requests: result.requests,
  };
};

/** null stays null: a percentile that the generator could not tell. */
const microseconds = (nanoseconds) => (nanoseconds === null ? null : nanoseconds / 1000);
