// node-service.ts — node:http behind the same routes: the control that shows that a case is well formed.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  BIG_BYTES,
  BIG_CHUNK,
  note,
  queryValue,
  routeOf,
  type Service,
  type ServiceLog,
  type ServiceOptions,
} from "./service.ts";

export const startNodeService = async (options: ServiceOptions, log: ServiceLog): Promise<Service> => {
  const server = createServer(
    {
      headersTimeout: options.timeouts?.headersMs ?? 15_000,
      requestTimeout: options.timeouts?.receiveMs ?? 30_000,
      connectionsCheckingInterval: 100,
      keepAliveTimeout: options.timeouts?.idleMs ?? 60_000,
    },
    (request, response) => {
      log.calls += 1;
      const { method = "", url = "" } = request;
      switch (routeOf(url)) {
        case "ignore":
          note(log, method, url, "ignored");
          response.end("ignored");
          return;
        case "big": {
          let left = BIG_BYTES;
          response.setHeader("content-length", left);
          const more = (): void => {
            while (left > 0) {
              left -= BIG_CHUNK.length;
              if (!response.write(BIG_CHUNK)) return;
            }
            response.end();
          };
          response.on("drain", more);
          more();
          return;
        }
        case "stall":
        case "hold":
          return;
        case "throw":
        case "reject":
          response.writeHead(500).end();
          return;
        case "field":
          try {
            response.setHeader("x-query", queryValue(url));
            response.end();
          } catch {
            response.writeHead(500).end();
          }
          return;
        case "echo": {
          let bytes = 0;
          request.on("data", (chunk: Uint8Array) => {
            bytes += chunk.length;
          });
          request.on("end", () => {
            note(log, method, url, bytes);
            response.end(`${method} ${url} ${bytes}`);
          });
          request.on("error", () => note(log, method, url, "failed"));
        }
      }
    },
  );
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  let connections = 0;
  server.on("connection", (socket) => {
    connections += 1;
    socket.on("close", () => {
      connections -= 1;
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    arenaSize: 0,
    gauges: () => ({ driver: "node", connections, leases: 0, heldBytes: 0, receiveCap: 0, timers: 0, inflight: 0 }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
