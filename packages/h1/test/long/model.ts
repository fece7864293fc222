// model.ts — a second reading of RFC 9112, written to be plain instead of fast: what a stream of bytes means.

/** What bounds a message of either kind. */
export interface MessageLimits {
  headBytesMax: number;
  fieldsMax: number;
  bodyBytesMax: number;
  chunkOverheadBytesMax: number;
}

export interface ModelLimits extends MessageLimits {
  targetBytesMax: number;
}

export interface ModelRequest {
  method: string;
  target: string;
  path: string;
  authority: string;
  body: string;
  trailers: string[] | null;
  fields: string[];
  /** Answers to a few questions about the fields: see `ask` in trial.ts. */
  asked: string[];
}

/** How the connection stands behind the complete requests. */
export type ModelEnd =
  /** It waits for more bytes. */
  | "open"
  /** The last request asked for it. */
  | "closed"
  /** What follows breaks a rule: one refusal, and the end. */
  | "refused"
  /** What follows is not complete: it waits, or has seen already that it is bad. */
  | "incomplete"
  /** What follows is of a form that may be taken or refused. */
  | "unsure";

export interface ModelOutcome {
  requests: ModelRequest[];
  end: ModelEnd;
}

const METHODS = new Set(
  (
    "DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ACL " +
    "REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK QUERY"
  ).split(" "),
);
const REQUEST_LINE = /^([A-Z-]+) ([\x21-\x7e]+) HTTP\/1\.([01])$/;
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)$/;
const CHUNK_LINE =
  /^([0-9A-Fa-f]+)((?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\.)*"))?)*)$/;
/** Extensions with an empty name or value, or several values: some pass llhttp, some do not. Where the line ends is not in doubt. */
const UNSURE_LINE =
  /^[0-9A-Fa-f]+(?:;(?:[!#$%&'*+\-.^_`|~0-9A-Za-z=;]|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\.)*")*)+$/;
/** Tabs around lengths: allowed, but llhttp refuses most of them. */
export const UNSURE_LENGTH = /^(?:content-length|transfer-encoding):.*\t/im;
const HOST = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+(?::[0-9]{0,5})?$/;

type Message = { request: ModelRequest; next: number; closes: boolean };
type Step = Message | "refused" | "incomplete" | "unsure";

export const readStream = (text: string, limits: ModelLimits): ModelOutcome => {
  const requests: ModelRequest[] = [];
  for (let at = 0; at < text.length; ) {
    const step = readMessage(text, at, limits);
    if (typeof step === "string") return { requests, end: step };
    requests.push(step.request);
    if (step.closes) return { requests, end: "closed" };
    at = step.next;
  }
  return { requests, end: "open" };
};

const readMessage = (text: string, from: number, limits: ModelLimits): Step => {
  let start = from;
  while (text.startsWith("\r\n", start)) start += 2;
  const end = text.indexOf("\r\n\r\n", start);
  if (end < 0) return "incomplete";
  if (end + 4 - from > limits.headBytesMax) return "refused";
  const [line, ...fieldLines] = text.slice(start, end).split("\r\n");
  const match = REQUEST_LINE.exec(line);
  if (match === null) return "refused";
  const [, method, target, minor] = match;
  if (!METHODS.has(method) || target.length > limits.targetBytesMax || /["#<>]/.test(target)) return "refused";
  const fields = readFields(fieldLines, limits);
  if (fields === null) return "refused";
  const values = (name: string): string[] =>
    fields.filter((field) => field[0].toLowerCase() === name).map((field) => field[1]);
  const hosts = values("host");
  if (hosts.length > 1 || (hosts.length === 0 && minor === "1") || hosts.some((host) => !HOST.test(host)))
    return "refused";
  const parts = readTarget(method, target, hosts[0] ?? "");
  if (parts === null) return "refused";
  if (UNSURE_LENGTH.test(fieldLines.join("\n"))) return "unsure";
  const body = readBody(text, end + 4, values, minor, method, limits);
  if (typeof body === "string") return body;
  const connection = values("connection").flatMap((value) =>
    value
      .toLowerCase()
      .split(",")
      .map((token) => token.trim()),
  );
  const closes =
    connection.includes("close") || (minor === "0" && !connection.includes("keep-alive")) || method === "CONNECT";
  if (minor === "1" && values("expect").some((value) => value.toLowerCase() !== "100-continue")) return "refused";
  if (minor === "1" && values("expect").length > 1) return "refused";
  const { path, authority } = parts;
  const joined = (name: string, separator: string): string =>
    values(name).length > 0 ? values(name).join(separator) : "none";
  const request = {
    method,
    target,
    path,
    authority,
    body: body.data,
    trailers: body.trailers,
    fields: fields.map((field) => field.join(": ")),
    asked: [
      joined("x-a", ", "),
      values("x-a").join("|"),
      String(values("cookie").length),
      joined("cookie", "; "),
      String(values("x-empty").length > 0),
    ],
  };
  return { request, next: body.next, closes };
};

export const readFields = (lines: readonly string[], limits: MessageLimits): [name: string, value: string][] | null => {
  if (lines.length > limits.fieldsMax) return null;
  const fields: [string, string][] = [];
  for (const line of lines) {
    const match = FIELD_LINE.exec(line);
    if (match === null) return null;
    fields.push([match[1], match[2].replace(/^[ \t]+|[ \t]+$/g, "")]);
  }
  return fields;
};

const readTarget = (method: string, target: string, host: string): { path: string; authority: string } | null => {
  if (method === "CONNECT") {
    const match = /:([0-9]{1,5})$/.exec(target);
    return HOST.test(target) && match !== null && Number(match[1]) > 0 && Number(match[1]) < 65_536
      ? { path: "", authority: target }
      : null;
  }
  if (target.startsWith("/")) return { path: target, authority: host };
  if (target === "*") return method === "OPTIONS" ? { path: "*", authority: host } : null;
  const match = /^https?:\/\/([^/?]*)(.*)$/i.exec(target);
  if (match === null || !HOST.test(match[1])) return null;
  if (host !== "" && host.toLowerCase() !== match[1].toLowerCase()) return null;
  const rest = match[2];
  const empty = method === "OPTIONS" && rest === "" ? "*" : "/";
  return { authority: match[1], path: rest.startsWith("/") ? rest : empty + rest };
};

type Body = { data: string; trailers: string[] | null; next: number };

const readBody = (
  text: string,
  at: number,
  values: (name: string) => string[],
  minor: string,
  method: string,
  limits: ModelLimits,
): Body | "refused" | "incomplete" | "unsure" => {
  const lengths = values("content-length");
  const codings = values("transfer-encoding");
  if (lengths.length + codings.length > 1) return "refused";
  if (method === "CONNECT" && lengths.length + codings.length > 0) return "refused";
  if (codings.length === 1) {
    if (minor === "0" || codings[0].toLowerCase() !== "chunked") return "refused";
    return readChunks(text, at, limits);
  }
  if (lengths.length === 0) return { data: "", trailers: null, next: at };
  if (!/^[0-9]+$/.test(lengths[0]) || Number(lengths[0]) > limits.bodyBytesMax) return "refused";
  const next = at + Number(lengths[0]);
  return next > text.length ? "incomplete" : { data: text.slice(at, next), trailers: null, next };
};

export const readChunks = (
  text: string,
  from: number,
  limits: MessageLimits,
): Body | "refused" | "incomplete" | "unsure" => {
  let at = from;
  let data = "";
  let excess = 0;
  for (let endBytes = 0; ; endBytes = 2) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return "incomplete";
    const match = CHUNK_LINE.exec(text.slice(at, lineEnd));
    if (match === null) return UNSURE_LINE.test(text.slice(at, lineEnd)) ? "unsure" : "refused";
    const size = BigInt(`0x${match[1]}`);
    const line = endBytes + lineEnd + 2 - at;
    at = lineEnd + 2;
    if (size === 0n) return readTrailers(text, at, data, excess, line, limits);
    excess += Math.max(0, line - 18);
    if (size > BigInt(limits.bodyBytesMax) || data.length + Number(size) > limits.bodyBytesMax) {
      // What is beyond the limit may not have come.
      return size < 2n ** 64n && data.length + text.length - at <= limits.bodyBytesMax ? "incomplete" : "refused";
    }
    if (excess > limits.chunkOverheadBytesMax) return "refused";
    const end = at + Number(size);
    if (text.length < end + 2) return text.length > end && text[end] !== "\r" ? "refused" : "incomplete";
    if (text.slice(end, end + 2) !== "\r\n") return "refused";
    data += text.slice(at, end);
    at = end + 2;
  }
};

const readTrailers = (
  text: string,
  at: number,
  data: string,
  excess: number,
  line: number,
  limits: MessageLimits,
): Body | "refused" | "incomplete" | "unsure" => {
  if (text.startsWith("\r\n", at)) {
    const last = Math.max(0, line + 2 - 18);
    return excess + last > limits.chunkOverheadBytesMax ? "refused" : { data, trailers: null, next: at + 2 };
  }
  if (excess + Math.max(0, line - 18) > limits.chunkOverheadBytesMax) return "refused";
  const end = text.indexOf("\r\n\r\n", at);
  if (end < 0) return "incomplete";
  const fields = readFields(text.slice(at, end).split("\r\n"), limits);
  if (fields === null || end + 4 - at > limits.headBytesMax) return "refused";
  if (fields.some(([name]) => ["content-length", "transfer-encoding"].includes(name.toLowerCase()))) return "refused";
  return { data, trailers: fields.map((field) => field.join(": ")), next: end + 4 };
};
