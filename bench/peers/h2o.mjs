import { writeFileSync } from "node:fs";
import { documents } from "./documents.mjs";
import { findProgram } from "./find.mjs";

/** Files from its cache of open ones; its fastest answers need mruby, which Debian's build may lack. */
export const h2o = {
  name: "h2o",
  label: "h2o",
  kind: "server",
  find: () => findProgram("h2o", { env: "BENCH_H2O", advice: "put it on PATH or have it named by BENCH_H2O" }),
  refuses: (one) => {
    if (one.from === "echo") return "has no echo without mruby";
    if (one.wire.protocol !== "h2" || one.wire.tls) return "measured in the clear, HTTP/2";
  },
  start: ({ binary, port, scratch, workers }) => {
    writeFileSync(`${scratch}/h2o.conf`, configuration(port, documents(scratch), workers));
    return { command: [binary, "-m", "worker", "-c", `${scratch}/h2o.conf`] };
  },
};

const configuration = (port, folder, workers) => `
num-threads: ${workers}
listen: { host: 127.0.0.1, port: ${port} }
user: root
access-log: /dev/null
http2-max-concurrent-requests-per-connection: 1024
hosts:
  default:
    paths:
      "/":
        file.dir: ${folder}
`;
