// Runs h2load (nghttp2) for HTTP/2 and for HTTP/1.1 over TLS, and reads what it says.
import { writeFileSync } from "node:fs";
import { CACHE, ensureDirectory } from "./paths.mjs";

/** h2load's own count: requests that failed, were answered with another status, or timed out. */
const COUNTS =
  /^requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/m;
const RATE = /^finished in ([\d.]+)(s|ms|us), ([\d.]+) req\/s/m;
const STATUS = /^status codes: (\d+) 2xx/m;
const TRAFFIC = /^traffic: [\d.]+\w+ \((\d+)\) total/m;
const UNITS = { s: 1, ms: 1e-3, us: 1e-6 };

export const h2loadCommand = (one, port, seconds) => {
  const scheme = one.wire.tls ? "https" : "http";
  const command = [
    "h2load",
    "-t1",
    `-c${one.connections}`,
    `-m${one.streams ?? 1}`,
    `-D${Math.max(1, Math.round(seconds))}`,
  ];
  if (one.wire.protocol === "h1") command.push("--h1");
  for (const [name, value] of one.fields ?? []) command.push("-H", `${name}: ${value}`);
  if (one.upload !== undefined) command.push("-d", uploadFile(one));
  return [...command, `${scheme}://127.0.0.1:${port}${one.path}`];
};

const uploadFile = (one) => {
  const file = `${ensureDirectory(`${CACHE}requests`)}/${one.name}.body`;
  writeFileSync(file, one.upload);
  return file;
};

/**
 * @returns {import("./load.mjs").LoadResult} percentiles are null: h2load tells only minimum, mean and maximum
 * @throws when the output is not what h2load writes at its end
 */
export const parseH2load = (output) => {
  const counts = COUNTS.exec(output);
  const rate = RATE.exec(output);
  const status = STATUS.exec(output);
  if (counts === null || rate === null || status === null)
    throw new Error(`h2load failed: ${output.trim().slice(-500)}`);
  const done = Number(counts[2]);
  const seconds = Number(rate[1]) * UNITS[rate[2]];
  return {
    requests: done,
    seconds,
    bytes: Number(TRAFFIC.exec(output)?.[1] ?? 0),
    latency: { mean: null, p50: null, p90: null, p99: null, p999: null, max: null },
    errors: { failed: Number(counts[4]), timeout: Number(counts[6]), status: Math.max(0, done - Number(status[1])) },
  };
};
