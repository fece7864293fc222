// Starts a peer on a free port of 127.0.0.1, pinned, with a scratch folder of its own, and ends it again.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificate } from "./certificates.mjs";
import { SERVER_CPU } from "./machine.mjs";
import { WWW } from "./paths.mjs";
import { waitForPort } from "./probe.mjs";
import { freePort, start, stop } from "./processes.mjs";

/** Scratch folders lie in one folder of this run, which goes with it, however it ends. */
const scratchRoot = mkdtempSync(join(tmpdir(), "bench-"));
process.on("exit", () => rmSync(scratchRoot, { recursive: true, force: true }));

const CLEAR = { protocol: "h1", tls: false };

/**
 * @param {import("../peers/index.mjs").Peer & { binary: string }} peer one that was found
 * @param {{ workers?: number, cpus?: string, env?: Record<string, string>, wire?: import("./cases.mjs").Wire,
 *   upstream?: { port: number, protocol: "h1" | "h2" } }} options `upstream`: where a proxy finds its origin
 */
export const startServer = async (
  peer,
  { workers = 1, cpus = String(SERVER_CPU), env = {}, wire = CLEAR, upstream } = {},
) => {
  const scratch = mkdtempSync(join(scratchRoot, `${peer.name}-`));
  const port = await freePort();
  const files = wire.tls ? await certificate(wire.key) : {};
  const plan = peer.start({
    binary: peer.binary,
    port,
    scratch,
    workers,
    www: WWW,
    wire: { ...wire, ...files },
    upstream,
  });
  const started = start(plan.command, { cpus, cwd: plan.cwd, env: { WWW, ...plan.env, ...env } });
  const end = async () => {
    await stop(started);
    rmSync(scratch, { recursive: true, force: true });
  };
  try {
    await waitForPort(port, started);
  } catch (error) {
    await end();
    throw error;
  }
  return { peer, port, group: started.group, output: started.output, stop: end };
};

/**
 * Looks for every peer once.
 *
 * @returns {Promise<{ present: (import("../peers/index.mjs").Peer & { binary: string, version: string })[],
 *   absent: { name: string, label: string, reason: string }[] }>}
 */
export const findPeers = async (peers) => {
  const present = [];
  const absent = [];
  for (const peer of peers) {
    const found = await Promise.resolve(peer.find()).catch((error) => ({ absent: error.message.split("\n")[0] }));
    if ("absent" in found) absent.push({ name: peer.name, label: peer.label, reason: found.absent });
    else present.push({ ...peer, ...found });
  }
  return { present, absent };
};
