// The proxies: each in front of one upstream on the load's processor, with keep-alive to it and forwarding fields, no log.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { PEERS, SERVERS } from "../harness/paths.mjs";
import { findProgram } from "./find.mjs";

const ours = (name, label, driver, log) => ({
  name,
  label,
  kind: "ours",
  javascript: true,
  find: () => ({ binary: process.execPath, version: "this tree" }),
  refuses: () => undefined,
  start: ({ binary, port, workers, wire, upstream }) => ({
    command: [binary, `${SERVERS}proxy.mjs`],
    env: {
      PORT: String(port),
      PROTO: wire.protocol,
      TLS: wire.tls ? "1" : "0",
      ...(wire.tls ? { CERT: wire.cert, KEY: wire.key } : {}),
      DRIVER: driver,
      WORKERS: String(workers),
      LOG: log,
      UPSTREAM: `127.0.0.1:${upstream.port}`,
      UPSTREAM_PROTO: upstream.protocol,
    },
  }),
});

const onlyH1Upstream = (one) => (one.upstream.protocol === "h1" ? undefined : "speaks HTTP/1.1 to upstreams");

const nginxProxy = {
  name: "nginx",
  label: "NGINX",
  kind: "server",
  find: () => findProgram("nginx", { env: "BENCH_NGINX", versionArgs: ["-v"] }),
  refuses: onlyH1Upstream,
  start: ({ binary, port, scratch, workers, wire, upstream }) => {
    writeFileSync(`${scratch}/nginx.conf`, nginxConfiguration(port, scratch, workers, wire, upstream));
    return { command: [binary, "-p", scratch, "-c", `${scratch}/nginx.conf`, "-e", `${scratch}/error.log`] };
  },
};

const nginxConfiguration = (port, scratch, workers, { protocol, tls, cert, key }, upstream) => `
daemon off;
user root;
worker_processes ${workers};
worker_rlimit_nofile 20000;
pid ${scratch}/nginx.pid;
error_log ${scratch}/error.log error;
events { worker_connections 19000; multi_accept on; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_max_body_size 16m;
  http2_max_concurrent_streams 1024;
  client_body_temp_path ${scratch}/body;
  proxy_temp_path ${scratch}/proxy;
  fastcgi_temp_path ${scratch}/fastcgi;
  uwsgi_temp_path ${scratch}/uwsgi;
  scgi_temp_path ${scratch}/scgi;
  tcp_nodelay on;
  ${tls ? `ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3;` : ""}
  upstream origin { server 127.0.0.1:${upstream.port}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 3600s; }
  server {
    listen 127.0.0.1:${port}${tls ? " ssl" : ""}${protocol === "h2" ? " http2" : ""} reuseport backlog=4096;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`;

const haproxyAs = (name, label, mode) => ({
  name,
  label,
  kind: mode === "tcp" ? "floor" : "server",
  find: () => findProgram("haproxy", { env: "BENCH_HAPROXY", versionArgs: ["-v"] }),
  refuses: (one) => {
    if (mode === "tcp" && (one.wire.tls || one.wire.protocol !== one.upstream.protocol)) return "only copies bytes";
  },
  start: ({ binary, port, scratch, workers, wire, upstream }) => {
    if (wire.tls)
      writeFileSync(`${scratch}/both.pem`, readFileSync(wire.cert, "utf8") + readFileSync(wire.key, "utf8"));
    writeFileSync(`${scratch}/haproxy.cfg`, haproxyConfiguration(mode, port, scratch, workers, wire, upstream));
    return { command: [binary, "-db", "-q", "-f", `${scratch}/haproxy.cfg`] };
  },
});

const bindOptions = (mode, scratch, { protocol, tls }) => {
  if (mode === "tcp") return "";
  if (tls) return ` ssl crt ${scratch}/both.pem alpn ${protocol === "h2" ? "h2" : "http/1.1"}`;
  return protocol === "h2" ? " proto h2" : "";
};

const haproxyConfiguration = (mode, port, scratch, workers, wire, upstream) => `
global
  nbthread ${workers}
  no strict-limits
  maxconn 15000
  tune.h2.max-concurrent-streams 1024
defaults
  mode ${mode}
  timeout client 3600s
  timeout server 3600s
  timeout connect 5s
  ${mode === "http" ? "timeout http-keep-alive 3600s\n  option forwardfor" : ""}
frontend bench
  bind 127.0.0.1:${port} backlog 4096${bindOptions(mode, scratch, wire)}
  default_backend origin
backend origin
  ${mode === "http" ? "http-reuse always" : ""}
  server one 127.0.0.1:${upstream.port}${mode === "http" && upstream.protocol === "h2" ? " proto h2" : ""}
`;

const caddyProxy = {
  name: "caddy",
  label: "Caddy",
  kind: "server",
  find: () => findProgram("caddy", { env: "BENCH_CADDY", versionArgs: ["version"] }),
  refuses: () => undefined,
  start: ({ binary, port, scratch, workers, wire, upstream }) => {
    writeFileSync(`${scratch}/caddy.json`, JSON.stringify(caddyConfiguration(port, wire, upstream)));
    return {
      command: [binary, "run", "--config", `${scratch}/caddy.json`],
      env: { GOMAXPROCS: String(workers), XDG_CONFIG_HOME: scratch, XDG_DATA_HOME: scratch, HOME: scratch },
    };
  },
};

const caddyConfiguration = (port, { protocol, tls, cert, key }, upstream) => ({
  admin: { disabled: true },
  logging: { logs: { default: { level: "ERROR" } } },
  apps: {
    ...(tls ? { tls: { certificates: { load_files: [{ certificate: cert, key }] } } } : {}),
    http: {
      servers: {
        bench: {
          listen: [`127.0.0.1:${port}`],
          idle_timeout: "1h",
          automatic_https: { disable: true },
          protocols: protocol === "h1" ? ["h1"] : tls ? ["h1", "h2"] : ["h1", "h2c"],
          ...(tls ? { tls_connection_policies: [{}] } : {}),
          routes: [
            {
              handle: [
                {
                  handler: "reverse_proxy",
                  upstreams: [{ dial: `127.0.0.1:${upstream.port}` }],
                  transport: {
                    protocol: "http",
                    versions: upstream.protocol === "h2" ? ["h2c"] : ["1.1"],
                    keep_alive: { idle_timeout: "1h", max_idle_conns_per_host: 1024 },
                  },
                },
              ],
            },
          ],
        },
      },
    },
  },
});

/** Proxies of the Node world, each as its README shows it. */
const nodeProxy = (name, label) => {
  const manifest = `${PEERS}node_modules/${name}/package.json`;
  return {
    name,
    label,
    kind: "runtime",
    javascript: true,
    find: () =>
      existsSync(manifest)
        ? { binary: process.execPath, version: JSON.parse(readFileSync(manifest, "utf8")).version }
        : { absent: "not installed (npm run bench -- setup)" },
    refuses: (one) => {
      if (one.wire.protocol !== "h1" || one.wire.tls) return "measured in the clear, HTTP/1.1";
      return onlyH1Upstream(one);
    },
    start: ({ binary, port, upstream }) => ({
      command: [binary, `${SERVERS}node-proxy.mjs`],
      env: { PORT: String(port), UPSTREAM: `127.0.0.1:${upstream.port}`, KIND: name },
    }),
  };
};

export const proxies = [
  ours("percore", "Percore", "uring", "0"),
  ours("percore-poll", "Percore, poll", "poll", "0"),
  ours("percore-log", "Percore, access log", "uring", "1"),
  nginxProxy,
  haproxyAs("haproxy", "HAProxy", "http"),
  haproxyAs("haproxy-tcp", "HAProxy, TCP only (floor)", "tcp"),
  caddyProxy,
  nodeProxy("http-proxy", "http-proxy"),
  nodeProxy("fast-proxy", "fast-proxy"),
  nodeProxy("undici", "node:http + undici"),
];
