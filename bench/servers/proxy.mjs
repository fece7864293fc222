// The proxy that Percore's is measured with, here and from outside; the contract is in bench/README.md and stays stable.
// Public API and a default install only: header rewriting, timeouts and metrics on, the access log off unless LOG=1.
import { proxy } from "@percore/proxy";
import { serve } from "percore";

const { PORT, PROTO = "h1", TLS = "0", CERT, KEY, DRIVER = "auto", WORKERS = "1", LOG = "0" } = process.env;
const { UPSTREAM, UPSTREAM_PROTO = "h1" } = process.env;

const give = (reason) => {
  console.error(`proxy: ${reason}`);
  process.exit(2);
};

if (!/^\d+$/.test(PORT ?? "")) give("PORT is missing");
// Both are answered on the one port; the name says what the load will speak.
if (PROTO !== "h1" && PROTO !== "h2") give(`PROTO is h1 or h2, not ${PROTO}`);
if (TLS !== "0" && TLS !== "1") give("TLS is 0 or 1");
if (TLS === "1" && (CERT === undefined || KEY === undefined)) give("TLS=1 needs CERT and KEY, files in PEM");
if (!UPSTREAM) give("UPSTREAM is missing: host:port, or several with commas between");
if (UPSTREAM_PROTO !== "h1" && UPSTREAM_PROTO !== "h2") give(`UPSTREAM_PROTO is h1 or h2, not ${UPSTREAM_PROTO}`);

const server = serve({
  port: Number(PORT),
  hostname: "127.0.0.1",
  workers: Number(WORKERS),
  driver: DRIVER,
  ...(TLS === "1" ? { tls: { cert: CERT, key: KEY } } : {}),
  handler: proxy({
    upstreams: { origin: { servers: UPSTREAM.split(","), protocol: UPSTREAM_PROTO } },
    routes: [{ upstream: "origin" }],
    accessLog: LOG === "1" ? "/dev/null" : false,
  }),
});
await server.ready;
