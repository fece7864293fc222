// demo.ts — `npm start`: the proxy, with TLS where there is a certificate, before two small servers; and lines that say what to try.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ConfigInput } from "../config/schema.ts";

export interface DemoOptions {
  /** Of plain HTTP; https has the port 443 above it. */
  readonly port: number;
  readonly cert?: string;
  readonly key?: string;
  readonly workers: number | "auto";
  readonly driver: "auto" | "uring" | "poll";
}

const ADMIN = "127.0.0.1:0";
const HTTPS_ABOVE = 443;

export interface DemoUpstreams {
  readonly addresses: readonly string[];
  close(): void;
}

/** Starts both servers, on free ports of this machine: node's own, as applications behind a proxy are. */
export const startUpstreams = async (): Promise<DemoUpstreams> => {
  const servers = ["one", "two"].map((name) =>
    createServer((request, response) => {
      response.setHeader("x-server", name);
      response.setHeader("content-type", "application/json");
      const { method, url: target, headers } = request;
      request
        .resume()
        .on("end", () => response.end(`${JSON.stringify({ server: name, method, target, headers }, null, 2)}\n`));
    }),
  );
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))));
  return {
    addresses: servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`),
    close: () => {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
};

/** The configuration that is shown. */
export const demoConfig = (
  { port, cert, key, workers, driver }: DemoOptions,
  servers: readonly string[],
): ConfigInput => ({
  listen: [`:${port}`, ...(cert === undefined ? [] : [{ address: `*:${httpsPort(port)}`, tls: { cert, key } }])],
  workers,
  driver,
  drain: "5s",
  watch: false,
  admin: ADMIN,
  upstreams: { app: { servers: [...servers], health: { path: "/health", interval: "2s" } } },
  rateLimits: { slow: { rate: "3/m" } },
  routes: [
    { path: "/api/*", upstream: "app", stripPrefix: "/api" },
    { path: "/limited", upstream: "app", rateLimit: "slow" },
    { path: "/old/{page:path}", redirect: "/{page}" },
    { path: "/hello", respond: { body: "Hello from the proxy itself.\n" } },
    { path: "/*", upstream: "app" },
  ],
});

/** A free port stays one. */
const httpsPort = (port: number): number => (port === 0 ? 0 : port + HTTPS_ABOVE);

/** @param http and @param https where it listens: "http://localhost:3000". */
export const demoMenu = (http: string, https: string | null, admin: string): string => `
Two small servers are behind it. Try:

  curl -i ${http}/               each in turn: see "server"
  curl -i ${http}/api/users?x=1  the prefix is stripped
  curl -i ${http}/api//a/../b    a path is brought into one form
  curl -i ${http}/old/page       a redirect
  curl -i ${http}/limited        three a minute: the fourth is 429
${https === null ? "" : `  curl -ik ${https}/              HTTP/2 over TLS, by a certificate made for this machine\n`}  curl -i ${admin}/upstreams     the admin API; ${admin}/ says what else there is

  Ctrl-C ends it
`;
