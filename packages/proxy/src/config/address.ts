// address.ts — where servers are and where we listen, as people write it: "localhost:3000", ":8080", "unix:/run/app.sock".
import { isIPv6 } from "node:net";

/** Where an upstream's server is. */
export type ServerAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls: boolean }
  | { readonly kind: "unix"; readonly path: string; readonly tls: boolean };

/** Where to listen. A host of null is every address. */
export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string | null; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
  /** A socket that a service manager has opened: by its name, or the first one. */
  | { readonly kind: "inherited"; readonly name: string | null };

const PORT_MAX = 65_535;
/** With its terminating NUL, sun_path has 108 bytes. */
const UNIX_PATH_BYTES_MAX = 107;

/** Reads "host:port", "http://host", "https://host:port", "unix:/path", "https+unix:/path"; a string that says what is wrong. */
export const parseServerAddress = (text: string): ServerAddress | string => {
  const unix = /^(?:(http|https)\+)?unix:(.*)$/.exec(text);
  if (unix !== null) {
    const wrong = unixPathError(unix[2]);
    return wrong ?? { kind: "unix", path: unix[2], tls: unix[1] === "https" };
  }
  const foreign = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1];
  if (foreign !== undefined && foreign !== "http" && foreign !== "https") {
    return `"${foreign}" is no scheme an upstream can have; there are http and https`;
  }
  const url = /^(?:(https?):\/\/)?([^/?#]*)(.*)$/.exec(text);
  const [, scheme, authority = "", rest = ""] = url ?? [];
  if (rest !== "" && rest !== "/") return "an address has no path: give the route a `rewrite` or `addPrefix`";
  const { host, port, wrong } = splitHostPort(authority);
  if (wrong !== null) return wrong;
  if (host === "") return "a server needs a host";
  if (port === null && scheme === undefined) return `the port is missing: "${text}:80"`;
  return { kind: "tcp", host, port: port ?? (scheme === "https" ? 443 : 80), tls: scheme === "https" };
};

/** Reads ":8080", "127.0.0.1:8080", "[::1]:8080", "8080", "unix:/path", "systemd:name"; a string that says what is wrong. */
export const parseListenAddress = (text: string): ListenAddress | string => {
  if (text.startsWith("unix:")) return unixPathError(text.slice(5)) ?? { kind: "unix", path: text.slice(5) };
  if (text === "systemd") return { kind: "inherited", name: null };
  if (text.startsWith("systemd:")) return { kind: "inherited", name: text.slice(8) };
  if (/^\w+:\/\//.test(text)) return 'an address to listen on has no scheme: ":8080"; `tls` makes it HTTPS';
  const { host, port, wrong } = splitHostPort(/^\d+$/.test(text) ? `:${text}` : text);
  if (wrong !== null) return wrong;
  if (port === null) return `the port is missing: "${text}:8080"`;
  return { kind: "tcp", host: host === "" || host === "*" ? null : host, port };
};

/** What is wrong with a server's address; null for nothing. */
export const addressError = (text: string): string | null => errorOf(parseServerAddress(text));

export const listenError = (text: string): string | null => errorOf(parseListenAddress(text));

const errorOf = (parsed: object | string): string | null => (typeof parsed === "string" ? parsed : null);

const splitHostPort = (text: string): { host: string; port: number | null; wrong: string | null } => {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d*))?$/.exec(text);
  if (match === null) {
    return { host: "", port: null, wrong: isIPv6(text) ? `write "[${text}]:80" for IPv6` : "this is no host and port" };
  }
  const bracketed = match[1].startsWith("[");
  const host = bracketed ? match[1].slice(1, -1) : match[1];
  const port = match[2] === undefined ? null : Number(match[2]);
  const wrong =
    match[2] === "" || (port !== null && port > PORT_MAX)
      ? "the port is a number from 0 to 65535"
      : bracketed && !isIPv6(host)
        ? `"${host}" is no IPv6 address`
        : host !== "" && !bracketed && host !== "*" && !/^[A-Za-z0-9._-]+$/.test(host)
          ? `"${host}" is no host name`
          : null;
  return { host, port, wrong };
};

const unixPathError = (path: string): string | null => {
  if (path === "") return "the path of the socket is missing: unix:/run/app.sock";
  return Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX
    ? `the path of a socket has at most ${UNIX_PATH_BYTES_MAX} bytes`
    : null;
};
