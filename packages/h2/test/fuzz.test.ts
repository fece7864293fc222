// Properties of a connection: whatever bytes and whatever frames come, nothing throws, nothing leaks, and windows are kept.
import { Buffer } from "node:buffer";
import fc from "fast-check";
import t from "tap";
import * as F from "../src/codec/frame.ts";
import { bodyOf, frame, get, post, Rig, reset, settings, u32, windowUpdate } from "./harness.ts";

const id = fc.integer({ min: 0, max: 9 });
const bytes = fc.uint8Array({ maxLength: 40 });

type Step = (rig: Rig) => Uint8Array;

/** Right frames, nearly right ones and wrong ones, about as often. */
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(id, fc.boolean()).map(
    ([at, end]): Step =>
      (rig) =>
        rig.headers(at, end ? get() : post(), end),
  ),
  fc.tuple(id, fc.constantFrom(get("connection", "x"), ["x", "y"], post("content-length", "3"))).map(
    ([at, list]): Step =>
      (rig) =>
        rig.headers(at, list, false),
  ),
  fc.tuple(id, bytes, fc.constantFrom(0, F.END_STREAM, F.PADDED)).map(
    ([at, payload, flags]): Step =>
      () =>
        frame(F.DATA, flags, at, payload),
  ),
  fc.tuple(id, fc.constantFrom(0, 1, 1000, 0x7fff_ffff)).map(
    ([at, increment]): Step =>
      () =>
        windowUpdate(at, increment),
  ),
  id.map(
    (at): Step =>
      () =>
        reset(at),
  ),
  fc.tuple(fc.integer({ min: 1, max: 8 }), fc.constantFrom(0, 1, 16_384, 65_535, 0xffff_ffff)).map(
    ([setting, value]): Step =>
      () =>
        settings([setting, value]),
  ),
  fc.tuple(id, bytes).map(
    ([at, payload]): Step =>
      () =>
        frame(F.CONTINUATION, F.END_HEADERS, at, payload),
  ),
  id.map(
    (at): Step =>
      (rig) => {
        const block = rig.block(get());
        return Buffer.concat([
          frame(F.HEADERS, F.END_STREAM, at, block.slice(0, 3)),
          frame(F.CONTINUATION, F.END_HEADERS, at, block.slice(3)),
        ]);
      },
  ),
  fc.tuple(id, id).map(
    ([at, urgency]): Step =>
      () =>
        frame(F.PRIORITY_UPDATE, 0, 0, Buffer.concat([Buffer.from(u32(at)), Buffer.from(`u=${urgency}, i`)])),
  ),
  fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 255 }), id, bytes).map(
    ([type, flags, at, payload]): Step =>
      () =>
        frame(type, flags, at, payload),
  ),
  bytes.map(
    (payload): Step =>
      () =>
        payload,
  ),
);

const LONG = "x".repeat(3000);
const run = async (steps: readonly Step[], chunkBytesMax: number, late: boolean): Promise<boolean> => {
  const waiting: (() => void)[] = [];
  const rig = new Rig({
    chunkBytesMax,
    handler: (exchange) =>
      bodyOf(exchange, (body) => {
        const answer = (): void => {
          if (exchange.open) exchange.respond(200, [], body + LONG);
        };
        if (late) waiting.push(answer);
        else answer();
      }),
  });
  for (const make of steps) {
    rig.send(make(rig));
    if (rig.peer.closed) break;
  }
  for (const answer of waiting) answer();
  await rig.settle();
  let sent = 0;
  for (const { body } of rig.answers.values()) sent += body.length;
  const quiet = rig.reports.length === 0 && sent <= 0x7fff_ffff;
  await rig.finish();
  return quiet;
};

t.test("any interleaving of frames, in pieces of any size", async (t) => {
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 25 }),
    fc.constantFrom(1, 7, 16_384),
    fc.boolean(),
    run,
  );
  await fc.assert(property, { numRuns: Number(process.env.FUZZ_RUNS ?? 400), endOnFailure: true });
  t.pass("nothing threw, nothing was left");
});
