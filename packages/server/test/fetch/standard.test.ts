// standard.test.ts — our classes against the standard's rules, with Node's own as the second opinion on the rules.
import t from "tap";
import { Headers } from "../../src/fetch/headers.ts";
import { Request } from "../../src/fetch/request.ts";
import { Response } from "../../src/fetch/response.ts";
import type { Case, FetchClasses } from "./cases.ts";
import { NATIVE_DISAGREES, OURS_DEVIATES } from "./expected-failures.ts";
import { HEADERS_CASES } from "./headers-cases.ts";
import { REQUEST_CASES } from "./request-cases.ts";
import { RESPONSE_CASES } from "./response-cases.ts";

const GROUPS: Readonly<Record<string, readonly Case[]>> = {
  Headers: HEADERS_CASES,
  Request: REQUEST_CASES,
  Response: RESPONSE_CASES,
};
const OURS: FetchClasses = { Headers, Request, Response };
const NATIVE = globalThis as unknown as FetchClasses;

type Test = typeof t;

const runAll = async (t: Test, classes: FetchClasses, expected: Readonly<Record<string, string>>): Promise<void> => {
  const known = new Set(Object.keys(expected));
  for (const [group, cases] of Object.entries(GROUPS)) {
    for (const { name, run } of cases) {
      const title = `${group}: ${name}`;
      let failure: unknown = null;
      try {
        await run(classes);
      } catch (error) {
        failure = error;
      }
      const reason = expected[title];
      known.delete(title);
      if (reason === undefined) t.equal(failure, null, title);
      else t.not(failure, null, `${title} fails as listed: ${reason}`);
    }
  }
  t.same([...known], [], "every listed failure is a case");
};

t.test("our classes", async (t) => {
  await runAll(t as Test, OURS, OURS_DEVIATES);
});

t.test("Node's own classes agree with the rules", async (t) => {
  await runAll(t as Test, NATIVE, NATIVE_DISAGREES);
});
