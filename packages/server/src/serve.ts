// serve.ts — the front door.
import { type HandlerObject, readSettings, type ServeOptions } from "./options.ts";
import { Server } from "./server.ts";

/**
 * Serves HTTP: `serve({ port: 3000, fetch: (request) => new Response("hi") })`.
 *
 * The second form takes a handler object of the WinterTC draft "Fetch Server API" and the options beside it.
 * With `workers`, the whole program runs again in each of them; see ServeOptions.
 *
 * @throws {ServerError} ERR_OPTION_INVALID for an option that is unknown or wrong. What cannot be bound rejects
 *   `server.ready`.
 */
export function serve(options: ServeOptions): Server;
export function serve(
  handler: HandlerObject,
  options?: Omit<ServeOptions, "fetch" | "connect" | "error" | "handler">,
): Server;
export function serve(first: ServeOptions | HandlerObject, second?: ServeOptions): Server {
  return new Server(readSettings(first, second), (error) => console.error(error));
}
