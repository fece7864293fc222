// Proxies of the Node world, by KIND: http-proxy and fast-proxy as their READMEs show them, and node:http with undici's pool.
import { Agent, createServer } from "node:http";
import { createRequire } from "node:module";

const load = createRequire(new URL("../peers/package.json", import.meta.url));
const { PORT, UPSTREAM, KIND } = process.env;
const target = `http://${UPSTREAM}`;

const makers = {
  "http-proxy": () => {
    const proxy = load("http-proxy").createProxyServer({ target, agent: new Agent({ keepAlive: true }), xfwd: true });
    proxy.on("error", (_error, _request, response) => response.writeHead?.(502).end());
    return (request, response) => proxy.web(request, response);
  },
  "fast-proxy": () => {
    const { proxy } = load("fast-proxy")({ base: target });
    return (request, response) => proxy(request, response, request.url, {});
  },
  undici: () => {
    const pool = new (load("undici").Pool)(target, { connections: 256 });
    return (request, response) => {
      const { connection: _hop, "transfer-encoding": _framing, ...headers } = request.headers;
      headers["x-forwarded-for"] = request.socket.remoteAddress;
      const body = request.method === "GET" || request.method === "HEAD" ? null : request;
      pool
        .stream({ path: request.url, method: request.method, headers, body }, ({ statusCode, headers: answer }) => {
          const { connection: _upstreams, "keep-alive": _too, ...rest } = answer;
          response.writeHead(statusCode, rest);
          return response;
        })
        .catch(() => response.destroy());
    };
  },
};

createServer({ keepAliveTimeout: 3_600_000 }, makers[KIND]()).listen(Number(PORT), "127.0.0.1", 4096);
process.on("SIGTERM", () => process.exit(0));
