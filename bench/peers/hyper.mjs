import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { buildHyper } from "../harness/build.mjs";

const hasCargo = () => spawnSync("cargo", ["--version"], { timeout: 10_000 }).status === 0;

/** A server of about 100 lines on Hyper and Tokio's single-threaded runtime, built here from Debian's crates. */
export const hyper = {
  name: "hyper",
  label: "Hyper (Tokio)",
  kind: "server",
  find: async () => {
    if (!hasCargo() || !existsSync("/usr/share/cargo/registry"))
      return { absent: "no cargo or no crates (npm run bench -- setup)" };
    return { binary: `${await buildHyper()}/hello`, version: "0.14" };
  },
  refuses: (one) => {
    if (one.from === "file") return "serves no files by itself";
    if (one.wire.tls) return "built without TLS";
  },
  start: ({ binary, port, workers, wire }) => ({
    command: [binary],
    env: { PORT: String(port), WORKERS: String(workers), PROTO: wire.protocol },
  }),
};
