// expect.ts — RFC 9110 §10.1.1: Expect, and what attackers have made of it (0.CL and CL.0 by Expect).
import { type HostileCase, type Outcome, refused, SMUGGLED, served, servedAndClosed } from "./hostile-case.ts";

const post = (fields: readonly string[], body: string, version = "1.1"): string =>
  `POST /x HTTP/${version}\r\n${["Host: a", ...fields].map((line) => `${line}\r\n`).join("")}\r\n${body}`;
const GET = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

/** Ignoring an expectation one does not know is allowed; taking the body for a request is not. */
const unknown = (handled: string): Outcome[] => [...refused(417), ...refused(400), ...served(handled)];

export const EXPECT_CASES: readonly HostileCase[] = [
  {
    name: "100-continue, the body sent without waiting",
    send: post(["Expect: 100-continue", "Content-Length: 5"], `hello${GET}`),
    outcomes: served("POST /x 5", "GET /next 0"),
  },
  {
    name: "100-continue in capitals",
    send: post(["Expect: 100-CONTINUE", "Content-Length: 5"], "hello"),
    outcomes: served("POST /x 5"),
  },
  {
    name: "100-continue with chunks",
    send: post(["Expect: 100-continue", "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    outcomes: served("POST /x 5"),
  },
  {
    name: "100-continue without a body",
    send: post(["Expect: 100-continue"], GET),
    outcomes: served("POST /x 0", "GET /next 0"),
  },
  {
    name: "100-continue in HTTP/1.0 is ignored",
    send: post(["Expect: 100-continue", "Content-Length: 5"], "hello", "1.0"),
    outcomes: servedAndClosed("POST /x 5"),
  },
  {
    name: "100-continue on GET with a body (0.CL)",
    send: `GET /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 35\r\n\r\n${SMUGGLED}`,
    outcomes: served("GET /x 35"),
  },
  {
    name: "an unknown expectation",
    send: post(["Expect: nonsense", "Content-Length: 35"], SMUGGLED),
    outcomes: refused(417),
  },
  {
    name: "an empty expectation",
    send: post(["Expect:", "Content-Length: 35"], SMUGGLED),
    outcomes: unknown("POST /x 35"),
  },
  {
    name: "Expect: y 100-continue (0.CL)",
    send: post(["Expect: y 100-continue", "Content-Length: 35"], SMUGGLED),
    outcomes: refused(417),
  },
  {
    name: "Expect: 100-continue, nonsense",
    send: post(["Expect: 100-continue, nonsense", "Content-Length: 35"], SMUGGLED),
    outcomes: refused(417),
  },
  {
    name: "Expect twice",
    send: post(["Expect: 100-continue", "Expect: 100-continue", "Content-Length: 35"], SMUGGLED),
    outcomes: unknown("POST /x 35"),
  },
  {
    name: "the body of a refused expectation is not a request",
    send: post(["Expect: 100-continue;x=y", "Content-Length: 35"], SMUGGLED),
    outcomes: refused(417),
  },
  {
    name: "a handler that ignores a body announced with 100-continue",
    send: `POST /ignore HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 35\r\n\r\n${SMUGGLED}`,
    outcomes: [...servedAndClosed("POST /ignore ignored"), ...served("POST /ignore ignored")],
  },
];
