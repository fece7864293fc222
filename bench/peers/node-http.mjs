import { SERVERS } from "../harness/paths.mjs";

/** node:http, node:http2 or node:https under the Node that runs the bench; the yardstick of everyone who writes servers in TypeScript. */
export const nodeHttp = {
  name: "node",
  label: "node:http",
  kind: "runtime",
  javascript: true,
  find: () => ({ binary: process.execPath, version: process.versions.node }),
  refuses: () => undefined,
  start: ({ binary, port, workers, wire }) => ({
    command: [binary, `${SERVERS}node-http.mjs`],
    env: {
      PORT: String(port),
      WORKERS: String(workers),
      PROTO: wire.protocol,
      TLS: wire.tls ? "1" : "0",
      ...(wire.tls ? { CERT: wire.cert, KEY: wire.key } : {}),
    },
  }),
};
