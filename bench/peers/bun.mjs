import { PEERS, SERVERS } from "../harness/paths.mjs";
import { findProgram } from "./find.mjs";

export const bun = {
  name: "bun",
  label: "Bun",
  kind: "runtime",
  javascript: true,
  find: () => findProgram("bun", { env: "BENCH_BUN", places: [`${PEERS}node_modules/@oven/bun-linux-x64/bin/bun`] }),
  refuses: () => undefined,
  start: ({ binary, port }) => ({ command: [binary, `${SERVERS}bun.mjs`], env: { PORT: String(port) } }),
};
