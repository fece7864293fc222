import { writeFileSync } from "node:fs";
import { WWW } from "../harness/paths.mjs";
import { findProgram } from "./find.mjs";

export const caddy = {
  name: "caddy",
  label: "Caddy",
  kind: "server",
  find: () => findProgram("caddy", { env: "BENCH_CADDY", versionArgs: ["version"] }),
  refuses: (one) => (one.from === "echo" ? "has no echo but a placeholder that is meant for debugging" : undefined),
  start: ({ binary, port, scratch, workers, wire }) => {
    writeFileSync(`${scratch}/caddy.json`, JSON.stringify(configuration(port, wire)));
    return {
      command: [binary, "run", "--config", `${scratch}/caddy.json`],
      env: { GOMAXPROCS: String(workers), XDG_CONFIG_HOME: scratch, XDG_DATA_HOME: scratch, HOME: scratch },
    };
  },
};

const answer = (path, body) => ({
  match: [{ path: [path] }],
  handle: [
    {
      handler: "static_response",
      headers: { "Content-Type": ["text/plain"], "Content-Length": [String(body.length)] },
      body,
    },
  ],
  terminal: true,
});

const protocols = ({ protocol, tls }) => (protocol === "h1" ? ["h1"] : tls ? ["h1", "h2"] : ["h1", "h2c"]);

const configuration = (port, wire) => ({
  admin: { disabled: true },
  logging: { logs: { default: { level: "ERROR" } } },
  apps: {
    ...(wire.tls ? { tls: { certificates: { load_files: [{ certificate: wire.cert, key: wire.key }] } } } : {}),
    http: {
      servers: {
        bench: {
          listen: [`127.0.0.1:${port}`],
          idle_timeout: "1h",
          automatic_https: { disable: true },
          protocols: protocols(wire),
          ...(wire.tls ? { tls_connection_policies: [{}] } : {}),
          routes: [
            answer("/", "Hello, World!"),
            answer("/1k", "x".repeat(1024)),
            answer("/64k", "x".repeat(65_536)),
            answer("/1m", "x".repeat(1_048_576)),
            { match: [{ path: ["/file/*"] }], handle: [{ handler: "file_server", root: WWW }], terminal: true },
          ],
        },
      },
    },
  },
});
