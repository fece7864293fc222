// Peers that no package registry of ours has: measured when somebody brings the binary, otherwise stated as absent.
import { writeFileSync } from "node:fs";
import { findProgram } from "./find.mjs";

const BRING = "named by";

/** Envoy as a server of its own: one worker, direct responses. */
export const envoy = {
  name: "envoy",
  label: "Envoy",
  kind: "server",
  find: () => findProgram("envoy", { env: "BENCH_ENVOY", advice: `put it on PATH or have it ${BRING} BENCH_ENVOY` }),
  refuses: (one) => {
    if (one.from !== "memory") return "answers direct responses only";
    if (one.body.length > 4096) return "direct responses hold 4 KiB at most";
  },
  start: ({ binary, port, scratch, workers }) => {
    writeFileSync(`${scratch}/envoy.json`, JSON.stringify(envoyConfiguration(port)));
    return {
      command: [
        binary,
        "-c",
        `${scratch}/envoy.json`,
        "--concurrency",
        String(workers),
        "-l",
        "error",
        "--disable-hot-restart",
      ],
    };
  },
};

const direct = (path, body) => ({ match: { path }, direct_response: { status: 200, body: { inline_string: body } } });

const envoyConfiguration = (port) => ({
  static_resources: {
    listeners: [
      {
        address: { socket_address: { address: "127.0.0.1", port_value: port } },
        filter_chains: [
          {
            filters: [
              {
                name: "envoy.filters.network.http_connection_manager",
                typed_config: {
                  "@type":
                    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                  stat_prefix: "bench",
                  generate_request_id: false,
                  route_config: {
                    virtual_hosts: [
                      {
                        name: "bench",
                        domains: ["*"],
                        routes: [direct("/", "Hello, World!"), direct("/1k", "x".repeat(1024))],
                      },
                    ],
                  },
                  http_filters: [
                    {
                      name: "envoy.filters.http.router",
                      typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
                    },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
  },
});

/** A program that follows our origin contract: PORT and WORKERS in, `/`, `/1k`, `/64k`, `/1m` and `/echo` out. */
const origin = (name, label, env) => ({
  name,
  label,
  kind: "server",
  find: () =>
    findProgram(`${name}-origin`, {
      env,
      versionArgs: [],
      advice: `a server that follows bench/README.md, ${BRING} ${env}`,
    }),
  refuses: (one) => (one.from === "file" ? "not part of the contract" : undefined),
  start: ({ binary, port, workers }) => ({ command: [binary], env: { PORT: String(port), WORKERS: String(workers) } }),
});

export const monoio = origin("monoio", "Monoio", "BENCH_MONOIO");
export const uws = origin("uws", "uWebSockets", "BENCH_UWS");
