import { writeFileSync } from "node:fs";
import { WWW } from "../harness/paths.mjs";
import { findProgram } from "./find.mjs";

/** nginx cuts a configuration token at 4 KiB: `return 200` cannot hold more, and it has no other answer from memory. */
const RETURN_MAX = 2048;

export const nginx = {
  name: "nginx",
  label: "NGINX",
  kind: "server",
  find: () => findProgram("nginx", { env: "BENCH_NGINX", versionArgs: ["-v"] }),
  refuses: (one) => {
    if (one.from === "echo") return "has no echo without a third-party module";
    const clearH1 = one.wire.protocol === "h1" && !one.wire.tls;
    // Over HTTP/2 and TLS sendfile is no use, so that its file from the page cache is the nearest thing.
    if (clearH1 && one.from === "memory" && one.body.length > RETURN_MAX) return "`return` holds 4 KiB at most";
  },
  start: ({ binary, port, scratch, workers, wire }) => {
    writeFileSync(`${scratch}/nginx.conf`, configuration(port, scratch, workers, wire));
    return { command: [binary, "-p", scratch, "-c", `${scratch}/nginx.conf`, "-e", `${scratch}/error.log`] };
  },
};

const listenOptions = ({ protocol, tls }) => `${tls ? " ssl" : ""}${protocol === "h2" ? " http2" : ""}`;

const encryption = ({ tls, cert, key }) =>
  tls
    ? `ssl_certificate ${cert};
  ssl_certificate_key ${key};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:bench:10m;
  ssl_session_tickets on;`
    : "";

const configuration = (port, scratch, workers, wire) => `
daemon off;
user root;
worker_processes ${workers};
worker_rlimit_nofile 20000;
pid ${scratch}/nginx.pid;
error_log ${scratch}/error.log error;
events { worker_connections 19000; multi_accept on; }
http {
  access_log off;
  server_tokens off;
  default_type text/plain;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_temp_path ${scratch}/body;
  proxy_temp_path ${scratch}/proxy;
  fastcgi_temp_path ${scratch}/fastcgi;
  uwsgi_temp_path ${scratch}/uwsgi;
  scgi_temp_path ${scratch}/scgi;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  open_file_cache max=100;
  open_file_cache_valid 60s;
  http2_max_concurrent_streams 1024;
  ${encryption(wire)}
  server {
    listen 127.0.0.1:${port}${listenOptions(wire)} reuseport backlog=4096;
    location = / { return 200 "Hello, World!"; }
    location = /1k { return 200 "${"x".repeat(1024)}"; }
    location = /64k { alias ${WWW}file/64k; }
    location = /1m { alias ${WWW}file/1m; }
    location /file/ { root ${WWW}; }
  }
}
`;
