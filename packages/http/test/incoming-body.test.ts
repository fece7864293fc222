// A body on its way to its receiver: order, pauses, errors, the budget's account, and that every lease comes back.
import { type Account, Arena, type Lease } from "@percore/core";
import { leaseCheck } from "@percore/core/testing";
import t from "tap";
import { IncomingBody } from "../src/incoming-body.ts";

const arena = new Arena({ bytes: 8 * 1024 * 1024 });

interface Heard {
  body: IncomingBody;
  events: string[];
  failures: unknown[];
  credited: number;
  /** Called with each event. */
  on: (event: string) => void;
  push(text: string): void;
}

const begin = (account = false): Heard => {
  const body = new IncomingBody(arena, -1);
  const heard: Heard = {
    body,
    events: [],
    failures: [],
    credited: 0,
    on: () => {},
    push(text) {
      const lease = arena.lease(100);
      lease.bytes.set(Buffer.from(text), 10);
      body.push(lease, lease.offset + 10, text.length);
      lease.release();
    },
  };
  body.owner = { receiverFailed: (error) => heard.failures.push(error) };
  const credit: Account = {
    credit(bytes): void {
      heard.credited += bytes;
    },
  };
  if (account) body.account = credit;
  return heard;
};

const attach = (heard: Heard): void => {
  const note = (event: string): void => {
    heard.events.push(event);
    heard.on(event);
  };
  heard.body.attach({
    onBody(lease: Lease): void {
      const text = Buffer.from(lease.bytes).toString();
      lease.release();
      note(text);
    },
    onBodyEnd: (trailers) => note(`end ${trailers}`),
    onBodyError: (error) => note(error.message),
  });
  heard.body.flush();
};

t.test("bytes are handed on as they come, and kept in one piece for a receiver that comes late", async (t) => {
  const leaks = leaseCheck(arena);
  const heard = begin();
  heard.push("a");
  heard.push("b");
  t.equal(heard.body.keptBytes, 2);
  attach(heard);
  heard.push("c");
  t.equal(heard.body.keptBytes, 0);
  t.equal(heard.body.received, 3);
  heard.body.end(null);
  t.ok(heard.body.told && heard.body.complete);
  t.same(heard.events, ["ab", "c", "end null"]);
  t.throws(() => attach(heard), { code: "ERR_BODY_RECEIVED" });
  leaks.assertNone();
});

t.test("a pause holds bytes and the end back, an error not", async (t) => {
  const leaks = leaseCheck(arena);
  const heard = begin();
  attach(heard);
  heard.on = () => heard.body.pause();
  heard.push("a");
  heard.push("b");
  heard.body.end(null);
  t.ok(heard.body.paused);
  t.same(heard.events, ["a"]);
  heard.body.resume();
  t.same(heard.events, ["a", "b"]);
  heard.body.resume();
  t.same(heard.events, ["a", "b", "end null"]);
  heard.body.fail(new Error("too late"));
  t.notOk(heard.body.failed);

  const failing = begin();
  attach(failing);
  failing.body.pause();
  failing.push("a");
  failing.body.fail(new Error("broken"));
  failing.body.fail(new Error("again"));
  failing.push("b");
  t.same(failing.events, ["broken"]);
  leaks.assertNone();
});

t.test("more than a block is kept in several", async (t) => {
  const leaks = leaseCheck(arena);
  const heard = begin();
  const lease = arena.lease(65_536);
  lease.length = 65_536;
  lease.bytes.fill(0x78);
  heard.body.push(lease, lease.offset, 65_536);
  heard.body.push(lease, lease.offset, 7);
  lease.release();
  t.equal(heard.body.keptBytes, 65_543);
  attach(heard);
  t.equal(heard.events.join(""), "x".repeat(65_543));
  heard.body.end(null);
  leaks.assertNone();
});

t.test("abandoned and discarded bodies keep nothing and tell nobody", async (t) => {
  const leaks = leaseCheck(arena);
  const heard = begin();
  attach(heard);
  heard.body.pause();
  heard.push("a");
  heard.body.abandon();
  t.equal(heard.body.keptBytes, 0);
  heard.push("b");
  t.equal(heard.body.keptBytes, 1, "its reader decides");
  heard.body.discard();
  t.equal(heard.body.discardedFrom, 2);
  heard.push("c");
  t.equal(heard.body.keptBytes, 0);
  heard.body.end(null);
  t.same(heard.events, []);
  t.throws(() => attach(heard), { code: "ERR_BODY_RECEIVED" });
  leaks.assertNone();
});

t.test("the account is told of every byte once, whoever lets go of it", async (t) => {
  const leaks = leaseCheck(arena);
  const heard = begin(true);
  attach(heard);
  heard.push("taken");
  t.equal(heard.credited, 5);
  heard.body.pause();
  heard.push("kept and dropped");
  t.equal(heard.credited, 5);
  heard.body.discard();
  t.equal(heard.credited, 21);
  heard.push("discarded");
  t.equal(heard.credited, 30);
  leaks.assertNone();
});

t.test("bytes can be taken back, and another receiver gets them first", async (t) => {
  const leaks = leaseCheck(arena);
  const heard = begin();
  const taken: Lease[] = [];
  heard.body.attach({ onBody: (lease) => void taken.push(lease), onBodyEnd() {}, onBodyError() {} });
  heard.push("first");
  heard.body.unread(taken[0]);
  heard.push("second");
  t.equal(heard.body.keptBytes, 11);
  attach(heard);
  heard.body.end(null);
  t.same(heard.events, ["first", "second", "end null"], "what was given back is nobody's to grow into");
  leaks.assertNone();
});

t.test("what a receiver throws is its owner's to hear", async (t) => {
  const leaks = leaseCheck(arena);
  const heard = begin();
  attach(heard);
  heard.on = (event) => {
    throw new Error(event);
  };
  heard.push("a");
  heard.body.end(null);
  t.same(
    heard.failures.map((error) => (error as Error).message),
    ["a", "end null"],
  );
  leaks.assertNone();
});
