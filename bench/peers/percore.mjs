// Ours, in the variants that are compared: driver and handler, of this checkout and of another one ("before").
import { existsSync } from "node:fs";
import { SERVERS } from "../harness/paths.mjs";

const variant = (name, label, driver, handler, origin, version) => ({
  name,
  label,
  kind: "ours",
  javascript: true,
  find: () => (existsSync(origin) ? { binary: process.execPath, version } : { absent: `no ${origin}` }),
  refuses: () => undefined,
  start: ({ binary, port, workers, www, wire }) => ({
    command: [binary, origin],
    env: {
      PORT: String(port),
      PROTO: wire.protocol,
      TLS: wire.tls ? "1" : "0",
      ...(wire.tls ? { CERT: wire.cert, KEY: wire.key } : {}),
      DRIVER: driver,
      HANDLER: handler,
      WORKERS: String(workers),
      WWW: www,
    },
  }),
});

const VARIANTS = [
  ["", "", "uring", "fetch"],
  ["-raw", ", raw handler", "uring", "raw"],
  ["-poll", ", poll", "poll", "fetch"],
  ["-poll-raw", ", poll, raw handler", "poll", "raw"],
];

export const percore = VARIANTS.map(([suffix, words, driver, handler]) =>
  variant(`percore${suffix}`, `Percore${words}`, driver, handler, `${SERVERS}origin.mjs`, "this tree"),
);

/** The same variants of another checkout, installed and built there. */
export const percoreBefore = (checkout) =>
  VARIANTS.map(([suffix, words, driver, handler]) =>
    variant(
      `before${suffix}`,
      `Percore before${words}`,
      driver,
      handler,
      `${checkout}/bench/servers/origin.mjs`,
      checkout,
    ),
  );
