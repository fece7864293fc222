// RFC 9110 §5.5, §5.6.2 (field syntax), §15 (status), §5.6.7 (dates).
import fc from "fast-check";
import t from "tap";
import { DATE_BYTES, DateCache } from "../src/date.ts";
import { HTTP_ERRORS, HttpError } from "../src/errors.ts";
import { checkField, equalsLower, isFieldValue, isToken, listHas } from "../src/field-syntax.ts";
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from "../src/limits.ts";
import { hasNoContent, reasonOf } from "../src/status.ts";

t.test("RFC 9110 §5.6.2: tokens", async (t) => {
  for (const good of ["a", "A-b_c.d", "!#$%&'*+-.^_`|~09azAZ"]) t.ok(isToken(good), good);
  for (const bad of ["", " ", "a b", "a:", "a\t", "a\r", "a\n", "a\0", "a\x7f", "é", "€", "(", '"', "a,", "a/"]) {
    t.notOk(isToken(bad), JSON.stringify(bad));
  }
});

t.test("RFC 9110 §5.5: field values", async (t) => {
  for (const good of ["", " ", "a b\tc", "\x80\xff", '"(),/:;<=>?@[\\]{}'])
    t.ok(isFieldValue(good), JSON.stringify(good));
  for (const bad of ["\0", "\r", "\n", "a\r\nb", "\x01", "\x1f", "\x7f", "Ā", "€"])
    t.notOk(isFieldValue(bad), JSON.stringify(bad));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff }), (code) => {
      const text = String.fromCharCode(code);
      const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/.test(text);
      const value = code === 9 || (code >= 0x20 && code < 0x7f) || (code >= 0x80 && code < 0x100);
      return isToken(text) === token && isFieldValue(text) === value;
    }),
    { numRuns: 2000 },
  );
});

t.test("checkField names the field and never shows the value", async (t) => {
  checkField("a", "b");
  try {
    checkField("authorization", "secret\n");
    t.fail("must throw");
  } catch (error) {
    t.match(error, { code: "ERR_FIELD_INVALID" });
    t.match((error as Error).message, /authorization/);
    t.notMatch((error as Error).message, /secret/);
  }
  t.throws(() => checkField("a", 1 as unknown as string), { code: "ERR_FIELD_INVALID" });
  t.throws(() => checkField("a b", ""), { code: "ERR_FIELD_INVALID" });
});

t.test("comparisons without case", async (t) => {
  t.ok(equalsLower("KEEP-Alive", "keep-alive"));
  t.notOk(equalsLower("KEEP-Aliv", "keep-alive"));
  t.notOk(equalsLower("K\u212aEP", "kkep"), "the Kelvin sign is no k");
  t.notOk(equalsLower("@", "`"), "only letters have a case");
  t.ok(listHas("x, Close ,y", "close"));
  t.notOk(listHas("closed", "close"));
  t.notOk(listHas("", "close"));
});

t.test("RFC 9110 §15: status", async (t) => {
  t.equal(reasonOf(200), "OK");
  t.equal(reasonOf(413), "Content Too Large");
  t.equal(reasonOf(299), "");
  t.same([100, 199, 200, 204, 205, 304, 404].map(hasNoContent), [true, true, false, true, false, true, false]);
});

t.test("RFC 9110 §5.6.7: the date is made once per second", async (t) => {
  let wall = 784_111_777_400;
  let reads = 0;
  const dates = new DateCache(() => {
    reads += 1;
    return wall;
  });
  dates.refresh(0);
  t.equal(dates.text, "Sun, 06 Nov 1994 08:49:37 GMT");
  t.equal(dates.text.length, DATE_BYTES);
  const { version } = dates;
  dates.refresh(599);
  t.equal(reads, 1);
  wall += 600;
  dates.refresh(600);
  t.equal(dates.text, "Sun, 06 Nov 1994 08:49:38 GMT");
  t.ok(dates.version > version);
  const other = new DateCache(() => wall);
  other.refresh(0);
  t.not(other.version, dates.version, "versions tell caches apart");
});

t.test("every code has a meaning, every limit a default", async (t) => {
  for (const [code, meaning] of Object.entries(HTTP_ERRORS)) t.match(meaning, /\.$/, code);
  t.equal(new HttpError("ERR_CLIENT_LEFT", "x").name, "HttpError");
  for (const value of Object.values({ ...DEFAULT_LIMITS, ...DEFAULT_TIMEOUTS }))
    t.ok(Number.isInteger(value) && value >= 0);
  t.ok(Object.isFrozen(DEFAULT_LIMITS) && Object.isFrozen(DEFAULT_TIMEOUTS));
});
