// response-grammar.ts — makes responses as response streams of servers: good ones, ones with a rule broken, ones with bytes
// changed at random.
import { BODIES, type Choice, chunked, FIELDS, ODD_FIELDS, spoiled } from "./grammar.ts";

const STATUSES = [
  "200 OK",
  "200 OK",
  "200 ",
  "404 Not Found",
  "204 No Content",
  "304 Not Modified",
  "500 \xe4\t!",
  "999",
  "206",
];
const INTERIM = ["100 Continue", "103 Early Hints", "102", "199 Odd"];
const ODD_STATUSES = [
  "101 Switching Protocols",
  "101 Switching Protocols\r\nUpgrade: x",
  "101 S\r\nUpgrade: y, X",
  "099 Low",
  "20 Two",
  "2000 Four",
  "2e2 Odd",
  "",
  "OK",
  " 200 OK",
  "200 a\0b",
  "200 \x7f",
  "200\tOK",
  "+200 OK",
  "-1",
];
const ODD_VERSIONS = [
  "HTTP/2.0",
  "HTTP/1.2",
  "HTTP/0.9",
  "http/1.1",
  "HTTP/1.1 ",
  "HTTP/1.10",
  "HTTP1.1",
  "",
  "ICY",
  "GET / HTTP/1.1",
];
const RARE_FIELDS = [
  "Connection: close",
  "Connection: x, close",
  "Connection: keep-alive",
  "Connection: keep-alive,close",
  "Connection: upgrade\r\nUpgrade: h2c",
];

const head = (choice: Choice, version: string, status: string, lines: readonly string[]): string =>
  `${choice.rarely(150) ? "\r\n" : ""}${version} ${status}\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;

/** The answer to one request: interim responses, the final one, now and then something behind it. */
export const responseStream = (choice: Choice): string => {
  const odd = choice.rarely(4);
  const breaks = odd ? choice.number(6) : -1;
  let text = "";
  if (choice.rarely(5)) {
    for (let count = 1 + choice.number(4); count > 0; count -= 1) {
      const lines = choice.rarely(3) ? [choice.one(FIELDS)] : [];
      if (breaks === 0 && choice.rarely(2))
        lines.push(choice.one(["Content-Length: 0", "Content-Length: 3", "Transfer-Encoding: chunked"]));
      text += head(choice, choice.rarely(9) ? "HTTP/1.0" : "HTTP/1.1", choice.one(INTERIM), lines);
    }
  }
  const version = breaks === 1 ? choice.one(ODD_VERSIONS) : choice.rarely(6) ? "HTTP/1.0" : "HTTP/1.1";
  const status = breaks === 2 ? choice.one(ODD_STATUSES) : choice.one(STATUSES);
  const lines: string[] = [];
  for (let count = choice.number(5); count > 0; count -= 1) lines.push(choice.one(FIELDS));
  if (choice.rarely(4)) lines.push(choice.one(RARE_FIELDS));
  if (breaks === 3) lines.splice(choice.number(lines.length + 1), 0, choice.one(ODD_FIELDS));
  if (breaks === 4) {
    // Around the limit of twelve, not far beyond it.
    for (const count = 11 + choice.number(4); lines.length < count; )
      lines.push(choice.one(["X-A: b", "X-Empty:", "A: 1"]));
  }
  const data = choice.one(BODIES);
  let body = "";
  switch (breaks === 5 ? 1 : choice.number(4)) {
    case 0:
      body = choice.rarely(2) ? data : "";
      break;
    case 1:
      lines.push(choice.one(["Transfer-Encoding: chunked", "transfer-encoding:CHUNKED"]));
      body = chunked(choice, data, breaks === 5);
      if (breaks === 5 && choice.rarely(3)) body = `1;${"e".repeat(50 + choice.number(60))}\r\nx\r\n${body}`;
      break;
    default:
      lines.push(choice.one(["Content-Length: ", "content-length:", "CONTENT-LENGTH: 0"]) + String(data.length));
      body = data;
  }
  // HEAD, 204 and 304 say a length and send nothing.
  if (choice.rarely(3)) body = "";
  text += head(choice, version, status, lines) + body;
  if (choice.rarely(12)) text += choice.one(["\r\n", "x", "HTTP/1.1 200 OK\r\n\r\n", "\0"]);
  return odd ? spoiled(choice, text) : text;
};
