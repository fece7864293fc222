import { readFileSync, writeFileSync } from "node:fs";
import { findProgram } from "./find.mjs";

/** An answer or a buffered request body must fit into one of HAProxy's buffers, 16 KiB less its head. */
const BODY_MAX = 15_000;

export const haproxy = {
  name: "haproxy",
  label: "HAProxy",
  kind: "server",
  find: () => findProgram("haproxy", { env: "BENCH_HAPROXY", versionArgs: ["-v"] }),
  refuses: (one) => {
    if (one.from === "file") return "serves no files";
    if (one.body.length > BODY_MAX) return "answers of its own fit into 16 KiB";
  },
  start: ({ binary, port, scratch, workers, wire }) => {
    writeFileSync(`${scratch}/1k`, "x".repeat(1024));
    // HAProxy wants the key in the certificate's file.
    if (wire.tls)
      writeFileSync(`${scratch}/both.pem`, readFileSync(wire.cert, "utf8") + readFileSync(wire.key, "utf8"));
    writeFileSync(`${scratch}/haproxy.cfg`, configuration(port, scratch, workers, wire));
    return { command: [binary, "-db", "-q", "-f", `${scratch}/haproxy.cfg`] };
  },
};

const bindOptions = (scratch, { protocol, tls }) => {
  const alpn = protocol === "h2" ? "h2" : "http/1.1";
  if (tls) return ` ssl crt ${scratch}/both.pem alpn ${alpn}`;
  return protocol === "h2" ? " proto h2" : "";
};

const configuration = (port, scratch, workers, wire) => `
global
  nbthread ${workers}
  no strict-limits
  maxconn 15000
  tune.h2.max-concurrent-streams 1024
defaults
  mode http
  timeout client 3600s
  timeout http-keep-alive 3600s
  timeout http-request 60s
frontend bench
  bind 127.0.0.1:${port} backlog 4096${bindOptions(scratch, wire)}
  option http-buffer-request
  http-request return status 200 content-type text/plain string "Hello, World!" if { path / }
  http-request return status 200 content-type text/plain file ${scratch}/1k if { path /1k }
  http-request return status 200 content-type text/plain lf-string %[req.body] if { path /echo }
  http-request return status 404
`;
