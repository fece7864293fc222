// known-texts.test.ts — a large text that is sent again goes out of the arena where it was encoded once.
import t from "tap";
import { KNOWN_TEXT_MIN } from "../src/codec/known-texts.ts";
import { rig } from "./harness.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** Bodies that each request of one connection got, as sent. */
const bodiesOf = async (texts: readonly string[]): Promise<string[]> => {
  let next = 0;
  const target = rig({ handler: (exchange) => exchange.respond(200, [], texts[next++] as string) });
  const bodies: string[] = [];
  for (let at = 0; at < texts.length; at += 1) {
    target.peer.send(GET);
    await target.pump.settle();
    const answer = Buffer.from(target.peer.bytes());
    const head = answer.indexOf("\r\n\r\n") + 4;
    const [, length] = /content-length: (\d+)/.exec(answer.subarray(0, head).toString("latin1")) ?? [];
    bodies.push(answer.subarray(head).toString("utf8"));
    t.equal(answer.length - head, Number(length), `body ${at} is as long as it says`);
  }
  await target.finish();
  return bodies;
};

const text = (fill: string, size: number): string => fill.repeat(Math.ceil(size / fill.length)).slice(0, size);

t.test("the same text, again and again, at the edges of what is kept", async (t) => {
  for (const size of [KNOWN_TEXT_MIN - 1, KNOWN_TEXT_MIN, 65_536, 200_000, 1_100_000]) {
    const body = text(`${size} `, size);
    const bodies = await bodiesOf([body, body, body, body]);
    t.ok(
      bodies.every((got) => got === body),
      `${size} characters`,
    );
  }
});

t.test("characters of several bytes", async (t) => {
  const body = text("häß€😀", 40_000);
  const whole = body.endsWith("\ud83d") ? body.slice(0, -1) : body;
  t.same(await bodiesOf([whole, whole, whole]), [whole, whole, whole]);
});

t.test("texts of one length take turns", async (t) => {
  const [a, b] = [text("a", 20_000), text("b", 20_000)];
  t.same(await bodiesOf([a, a, b, a, b, b, b, a, a]), [a, a, b, a, b, b, b, a, a]);
});

t.test("more than the store holds", async (t) => {
  const texts = Array.from({ length: 24 }, (_, at) => text(`${at}-`, 300_000 + at));
  const twice = texts.flatMap((body) => [body, body, body]);
  const bodies = await bodiesOf(twice);
  t.ok(bodies.every((got, at) => got === twice[at]));
});

t.test("in flight on one connection while another gets it, and the client of the first leaves", async (t) => {
  const body = text("flight ", 300_000);
  await bodiesOf([body, body]);
  const slow = rig({ handler: (exchange) => exchange.respond(200, [], body) });
  slow.peer.send(GET);
  slow.pump.step();
  t.same(await bodiesOf([body]), [body]);
  slow.peer.reset();
  await slow.finish();
});
