// grammar.ts — makes request streams: good ones, ones with a rule broken, and ones with bytes changed at random.
import type { Random } from "@percore/core/testing";

/** Chooses among alternatives by a seeded generator, so that a seed is a test case. */
export class Choice {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** 0..below-1 */
  number(below: number): number {
    return this.#random.integer(0, below - 1);
  }

  one<T>(options: readonly T[]): T {
    return options[this.number(options.length)];
  }

  /** True once in `times`. */
  rarely(times: number): boolean {
    return this.number(times) === 0;
  }
}

const METHODS = ["GET", "GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "QUERY", "M-SEARCH"];
const ODD_METHODS = ["get", "FOO", "GETX", "CONNECT", "PRI", "SOURCE", "DESCRIBE", "G", "", "GET ", "GE\tT"];
const TARGETS = [
  "/",
  "/a",
  "/b?c=d",
  "/long/path/with/segments",
  "/%2e%2e/",
  "/a;b=c?d&e",
  "/0123456789abcdef0123456789",
];
const ODD_TARGETS = [
  "*",
  "http://a/x",
  "http://a",
  "http://b/",
  "a",
  "",
  "/a#b",
  "/<",
  '/"',
  "/\xff",
  "/ ",
  "//",
  "http://a?q",
  "a:80",
];
const VERSIONS = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"];
const ODD_VERSIONS = [
  "HTTP/2.0",
  "HTTP/1.2",
  "HTTP/0.9",
  "http/1.1",
  "RTSP/1.0",
  "HTTP/1.1 ",
  "HTTP/1.10",
  "HTTP1.1",
  "",
  "ICE/1.0",
];
export const FIELDS: readonly string[] = [
  "Accept: */*",
  "X-A: b",
  "x-a: c",
  "X-Empty:",
  "X-Space: \t a b \t",
  "Cookie: a=b; c=d",
  "X-Byte: \xe4",
  "Content_Length: 3",
  "Connection: keep-alive",
  "User-Agent: someone/1.0 (something; like this)",
  `X-Long: ${"v".repeat(60)}`,
  "!#$%&'*+-.^_`|~: token",
];
const RARE_FIELDS = [
  "Connection: close",
  "Connection: x, close",
  "Connection: upgrade\r\nUpgrade: h2c",
  "Expect: 100-continue",
  "Upgrade: x",
];
export const ODD_FIELDS: readonly string[] = [
  "Host: b",
  "Host:",
  "Host: a b",
  "Host: a:b",
  "Expect: x",
  "X : y",
  " X: y",
  "X",
  ": y",
  "X: a\x01",
  "X: a\0b",
  "X: a\x7f",
  "X: y\r\n z",
  "X: y\nZ: z",
  "X: y\rZ: z",
  "X(): y",
  "\xe4: y",
  "Content-Length: 3",
  "Content-Length: +3",
  "Content-Length: 3, 3",
  "Content-Length:",
  "Content-Length: 0x3",
  "Content-Length: 99999999999999999999",
  "Content-Length : 3",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: chunked, gzip",
  "Transfer-Encoding: chunked, chunked",
  "Transfer-Encoding: identity",
  "Transfer-Encoding:",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding : chunked",
  `X-Huge: ${"h".repeat(600)}`,
];
export const BODIES: readonly string[] = [
  "",
  "a",
  "hello",
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "0\r\n\r\n",
  "\r\n\r\n",
  "x".repeat(100),
  "\0\xff",
  "y".repeat(199),
];
const EXTENSIONS = ["", "", "", ";a", ";a=b", ';a="b c"', ";a;b=c"];
const ODD_LINES = [" ", "\t", ";\n", ";a\nb", "\n", ";a\rb", "_", "x", ";a=\0", `;${"e".repeat(90)}`];
const TRAILERS = ["T: v", "X-T: \t w ", "Empty:", "Connection: close"];
const ODD_TRAILERS = ["Content-Length: 1", "Transfer-Encoding: chunked", "T : v", "T: v\r\n w", "T", "T: v\nU: w"];
const NOISE = [
  "\r",
  "\n",
  "\r\n",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "0",
  "5",
  "chunked",
  "\xff",
  "HTTP/1.1",
  "Host: a\r\n",
  "\r\n\r\n",
];

const chunkOf = (choice: Choice, data: string, odd: boolean): string => {
  const size = data.length.toString(16);
  const shown = choice.rarely(4) ? size.toUpperCase().padStart(choice.number(6), "0") : size;
  const line =
    odd && choice.rarely(3)
      ? choice.one(["+", "-", "0x", " ", ""]) + shown + choice.one(ODD_LINES)
      : shown + choice.one(EXTENSIONS);
  const end = odd && choice.rarely(3) ? choice.one(["", "\n", "\r", "X\r\n", "\r\r\n"]) : "\r\n";
  return `${line}\r\n${data}${end}`;
};

export const chunked = (choice: Choice, body: string, odd: boolean): string => {
  let text = "";
  for (let at = 0; at < body.length; ) {
    const size = Math.min(1 + choice.number(24), body.length - at);
    text += chunkOf(choice, body.slice(at, at + size), odd && choice.rarely(3));
    at += size;
  }
  text += `${"0".repeat(1 + choice.number(3))}${odd && choice.rarely(3) ? choice.one(ODD_LINES) : choice.one(EXTENSIONS)}\r\n`;
  if (choice.rarely(3)) {
    for (let count = choice.number(4); count >= 0; count -= 1) {
      text += `${odd && choice.rarely(2) ? choice.one(ODD_TRAILERS) : choice.one(TRAILERS)}\r\n`;
    }
  }
  return `${text}\r\n`;
};

/** One request; where `odd`, with about one rule broken. */
const request = (choice: Choice, odd: boolean): string => {
  const breaks = odd ? choice.number(7) : -1;
  const method = breaks === 0 ? choice.one(ODD_METHODS) : choice.one(METHODS);
  const target = breaks === 1 ? choice.one(ODD_TARGETS) : choice.one(TARGETS);
  const version = breaks === 2 ? choice.one(ODD_VERSIONS) : choice.one(VERSIONS);
  const lines = breaks === 3 && choice.rarely(3) ? [] : ["Host: a"];
  for (let count = choice.number(6); count > 0; count -= 1) lines.push(choice.one(FIELDS));
  if (choice.rarely(6)) lines.push(choice.one(RARE_FIELDS));
  if (breaks === 3) lines.splice(choice.number(lines.length + 1), 0, choice.one(ODD_FIELDS));
  if (breaks === 4) {
    // Around the limit of twelve, not far beyond it.
    for (const count = 11 + choice.number(4); lines.length < count; )
      lines.push(choice.one(["X-A: b", "x-a: c", "X-Empty:", "A: 1"]));
  }
  const data = choice.one(BODIES);
  let body = "";
  if (choice.rarely(2)) {
    if (choice.rarely(2)) {
      lines.push(choice.one(["Content-Length: ", "content-length:", "CONTENT-LENGTH: 0"]) + String(data.length));
      body = data;
    } else {
      lines.push(choice.one(["Transfer-Encoding: chunked", "transfer-encoding:CHUNKED"]));
      body = chunked(choice, breaks === 6 ? "z".repeat(201) : data, breaks === 5);
    }
  }
  const before = choice.rarely(12) ? "\r\n" : odd && choice.rarely(12) ? choice.one(["\n", "\r", " ", "\r\r\n"]) : "";
  const gap = odd && choice.rarely(20) ? "  " : " ";
  return `${before}${method}${gap}${target} ${version}\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n${body}`;
};

/** One request again and again, later ones with a byte changed: what is remembered of the first must not show. */
const repeated = (choice: Choice): string => {
  const first = request(choice, false);
  let text = "";
  for (let count = 3 + choice.number(4); count > 0; count -= 1) {
    const at = choice.number(first.length);
    const changed =
      first.slice(0, at) +
      choice.one(["", "a", "b", "/", "0", " ", ":", "A", "\r\n"]) +
      first.slice(at + choice.number(2));
    text += choice.rarely(4) ? changed : first;
  }
  return text;
};

/** A few requests in a row, some of them bad, sometimes cut short or with bytes changed. */
export const requestStream = (choice: Choice): string => {
  let text = "";
  if (choice.rarely(6)) text = repeated(choice);
  else for (let count = 1 + choice.number(5); count > 0; count -= 1) text += request(choice, choice.rarely(4));
  return spoiled(choice, text);
};

/** Now and then with bytes changed, now and then cut short. */
export const spoiled = (choice: Choice, good: string): string => {
  let text = good;
  if (choice.rarely(4)) {
    for (let count = 1 + choice.number(3); count > 0; count -= 1) {
      const at = choice.number(text.length + 1);
      const gone = choice.number(3);
      text = text.slice(0, at) + (choice.rarely(3) ? "" : choice.one(NOISE)) + text.slice(at + gone);
    }
  }
  if (choice.rarely(6)) text = text.slice(0, choice.number(text.length + 1));
  return text;
};
