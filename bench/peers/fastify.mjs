import { existsSync, readFileSync } from "node:fs";
import { PEERS, SERVERS } from "../harness/paths.mjs";

const MANIFEST = `${PEERS}node_modules/fastify/package.json`;

export const fastify = {
  name: "fastify",
  label: "Fastify",
  kind: "runtime",
  javascript: true,
  find: () =>
    existsSync(MANIFEST)
      ? { binary: process.execPath, version: JSON.parse(readFileSync(MANIFEST, "utf8")).version }
      : { absent: "not installed (npm run bench -- setup)" },
  refuses: () => undefined,
  start: ({ binary, port }) => ({ command: [binary, `${SERVERS}fastify.mjs`], env: { PORT: String(port) } }),
};
