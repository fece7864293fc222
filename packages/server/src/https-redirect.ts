// https-redirect.ts — the other port: sends whoever came in the clear to the encrypted address of the same page.
import type { Exchange, Handler } from "@percore/http";
import { invalid, show } from "./option-errors.ts";

export interface HttpsRedirectOptions {
  /** Port of the https server, where it is not 443. */
  readonly port?: number;
  /** 308 (default) and 307 keep the method, 301 and 302 do not. 301 and 308 are remembered by browsers. */
  readonly status?: 301 | 302 | 307 | 308;
  /** The name to send everybody to. Default: the one the client asked for. */
  readonly hostname?: string;
}

const HTTPS_PORT = 443;
const STATUSES = [301, 302, 307, 308];
const PLAIN_TEXT: readonly string[] = Object.freeze(["content-type", "text/plain;charset=UTF-8"]);

/**
 * A handler that redirects to https: `serve({ port: 80, handler: httpsRedirect() })`.
 *
 * A request without a host (HTTP/1.0), CONNECT and OPTIONS * have no page to be sent to: 400.
 *
 * @throws {ServerError} ERR_OPTION_INVALID.
 */
export const httpsRedirect = (options: HttpsRedirectOptions = {}): Handler => {
  const { port = HTTPS_PORT, status = 308, hostname } = options;
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw invalid(`port is ${show(port)}; it must be a whole number, 1..65535`);
  if (!STATUSES.includes(status)) throw invalid(`status is ${show(status)}; it must be one of ${STATUSES.join(", ")}`);
  const suffix = port === HTTPS_PORT ? "" : `:${port}`;
  return (exchange: Exchange) => {
    const host = hostname ?? hostOf(exchange.authority);
    const { path } = exchange;
    if (host === "" || !path.startsWith("/")) {
      exchange.respond(400, PLAIN_TEXT, "Bad Request\n");
      return;
    }
    exchange.respond(status, ["location", `https://${host}${suffix}${path}`], null);
  };
};

/** "example.com:8080" → "example.com"; the brackets of an IPv6 address stay. */
const hostOf = (authority: string): string => authority.replace(/:\d*$/, "");
