import { SERVERS } from "../harness/paths.mjs";

/** node:http under the Node that runs the bench; the yardstick of everyone who writes servers in TypeScript. */
export const nodeHttp = {
  name: "node",
  label: "node:http",
  kind: "runtime",
  javascript: true,
  find: () => ({ binary: process.execPath, version: process.versions.node }),
  refuses: () => undefined,
  start: ({ binary, port, workers }) => ({
    command: [binary, `${SERVERS}node-http.mjs`],
    env: { PORT: String(port), WORKERS: String(workers) },
  }),
};
