// In TypeScript: an upstream or a parameter that does not exist is a compile error, and a route may be a function.
import { defineConfig, onPath } from "@percore/proxy";

export default defineConfig({
  listen: process.env.LISTEN ?? ":8080",
  upstreams: {
    users: process.env.USERS ?? "localhost:3000",
  },
  routes: [
    { path: "/users/{id:int}", upstream: "users", rewrite: "/v2/users/{id}" },
    {
      path: "/hello/{name}",
      handler: onPath("/hello/{name}", (exchange, { params, client }) => {
        exchange.respond(200, ["content-type", "text/plain;charset=utf-8"], `Hello ${params.name} from ${client}\n`);
      }),
    },
  ],
});
