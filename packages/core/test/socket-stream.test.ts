// socket-stream.test.ts — the stream against a scripted kernel: what it submits, and every way its operations can complete.
import { close, constants, type DriverKind, errno, OP, RING, socket, socketpair } from "@percore/native";
import t, { type Test } from "tap";
import { Runtime } from "../src/runtime.ts";
import { SocketStream } from "../src/socket-stream.ts";
import { ScriptedRing, type Submission } from "./scripted-ring.ts";
import { Recorder } from "./transport.ts";

const { MORE, BUFFER } = { MORE: RING.CQE_MORE, BUFFER: RING.CQE_BUFFER };

interface Scene {
  readonly kernel: ScriptedRing;
  readonly runtime: Runtime;
  readonly stream: SocketStream;
  readonly recorder: Recorder;
  /** The submissions since the last look, after the turn's microtasks. */
  submitted(): Promise<Submission[]>;
  /** Posts completions and runs them as one batch. */
  complete(...completions: [Submission, number, number?][]): Promise<void>;
}

/** A stream on a real socket pair, so that synchronous calls work, over a ring where nothing happens by itself. */
const play = async (
  t: Test,
  act: (scene: Scene) => Promise<void>,
  { kind, ...options }: { receiveBuffers?: number; fd?: number; kind?: DriverKind } = {},
): Promise<void> => {
  const kernel = new ScriptedRing(kind);
  const runtime = new Runtime({ native: kernel, arenaBytes: 32 * 1024 * 1024, onError: () => {}, ...options });
  const ends = socketpair(1);
  if (typeof ends === "number") throw new Error(`socketpair: ${ends}`);
  const stream = new SocketStream(runtime, options.fd ?? ends[0], runtime.downstream);
  const recorder = new Recorder(stream);
  const scene: Scene = {
    kernel,
    runtime,
    stream,
    recorder,
    submitted: async () => {
      await Promise.resolve();
      return kernel.take();
    },
    complete: async (...completions) => {
      for (const [submission, result, flags] of completions) kernel.post(submission, result, flags);
      kernel.run();
      await Promise.resolve();
    },
  };
  await act(scene);
  stream.reset();
  await windDown(scene);
  t.equal(runtime.stats.leases, 0, "no lease is outstanding");
  runtime.close();
  // The scripted kernel closes nothing.
  for (const fd of [...ends, options.fd ?? -1]) close(fd);
};

/** Completes what is submitted as a kernel does that cancels everything, until nothing is. */
const windDown = async (scene: Scene): Promise<void> => {
  for (let open = await scene.submitted(); open.length > 0; open = await scene.submitted()) {
    await scene.complete(...open.map(cancelled));
  }
};

const cancelled = (submission: Submission): [Submission, number] => [
  submission,
  submission.op === OP.CLOSE ? 0 : -errno.ECANCELED,
];

const only = (submissions: Submission[], op: number): Submission => {
  if (submissions.length !== 1 || submissions[0].op !== op)
    throw new Error(`expected ${op}, got ${JSON.stringify(submissions)}`);
  return submissions[0];
};

const buffer = (id: number): number => (id << RING.BUFFER_SHIFT) | BUFFER;

t.test("nothing is received before somebody attaches", (t) =>
  play(t, async ({ stream, recorder, submitted }) => {
    t.same(await submitted(), []);
    stream.attach(recorder);
    only(await submitted(), OP.RECV);
  }),
);

const isMultishot = ({ ioprio }: Submission): boolean => (ioprio & RING.RECV_MULTISHOT) !== 0;

/** Lets the receives come one at a time, each with a byte. @returns the first that is multishot, and how many were not. */
const flow = async ({ submitted, complete }: Scene): Promise<{ recv: Submission; singles: number }> => {
  for (let singles = 0; ; singles += 1) {
    const recv = only(await submitted(), OP.RECV);
    if (isMultishot(recv)) return { recv, singles };
    t.equal(recv.cap, 0, "a single receive has no cap");
    await complete([recv, 1, buffer(0)]);
  }
};

t.test("a stream receives eight buffers one at a time, then many with a cap, where there are caps", async (t) => {
  for (const [kind, cap] of [
    ["uring", 131_072],
    ["poll", 0],
  ] as const) {
    await play(
      t,
      async (scene) => {
        scene.stream.attach(scene.recorder);
        const { recv, singles } = await flow(scene);
        t.same([singles, recv.cap], [8, cap], kind);
        await scene.complete([recv, 1, buffer(0) | MORE], [recv, 1, buffer(1)]);
        const again = only(await scene.submitted(), OP.RECV);
        t.same([isMultishot(again), again.cap], [true, cap], "one that ended is armed again");
      },
      { kind },
    );
  }
});

t.test("a kernel that knows no cap says so once", (t) =>
  play(
    t,
    async (scene) => {
      const { stream, recorder, submitted, complete } = scene;
      stream.attach(recorder);
      const { recv } = await flow(scene);
      await complete([recv, -errno.EINVAL]);
      const again = only(await submitted(), OP.RECV);
      t.same([isMultishot(again), again.cap, recorder.closes], [true, 0, 0]);
      await complete([again, -errno.EINVAL]);
      only(await submitted(), OP.CLOSE);
    },
    { kind: "uring" },
  ),
);

t.test("a refused cap is no failure of a receive that is being cancelled", (t) =>
  play(
    t,
    async (scene) => {
      const { stream, recorder, submitted, complete } = scene;
      stream.attach(recorder);
      const { recv } = await flow(scene);
      stream.pause();
      const cancel = only(await submitted(), OP.ASYNC_CANCEL);
      await complete([recv, -errno.EINVAL], [cancel, -errno.ENOENT]);
      stream.resume();
      // What waited for a hang-up goes on waiting.
      const again = (await submitted()).filter(({ op }) => op === OP.RECV);
      t.same(
        again.map((one) => [isMultishot(one), one.cap]),
        [[true, 0]],
        "nothing had to be held back, so it goes on as before",
      );
      t.equal(recorder.closes, 0);
    },
    { kind: "uring" },
  ),
);

t.test("one send per batch, whatever was written in it", (t) =>
  play(t, async ({ stream, recorder, submitted, complete }) => {
    stream.attach(recorder);
    await submitted();
    for (let at = 0; at < 10; at += 1) stream.writeBytes(new Uint8Array(100));
    const send = only(await submitted(), OP.SEND);
    t.equal(send.length, 1000);
    stream.writeBytes(new Uint8Array(50));
    stream.writeBytes(new Uint8Array(50));
    t.same(await submitted(), [], "a second send waits for the first");
    await complete([send, 1000]);
    const second = only(await submitted(), OP.SEND);
    t.equal(second.length, 100);
    await complete([second, 30]);
    const rest = only(await submitted(), OP.SEND);
    t.equal(rest.length, 70, "a short send is continued");
    await complete([rest, 70]);
    t.equal(stream.queuedBytes, 0);
    t.equal(recorder.closes, 0);
  }),
);

t.test("blocks and leases leave together by SENDMSG", (t) =>
  play(t, async ({ stream, recorder, runtime, submitted, complete }) => {
    stream.attach(recorder);
    await submitted();
    stream.writeBytes(new Uint8Array(10));
    stream.write(runtime.arena.lease(2000));
    stream.writeBytes(new Uint8Array(30));
    const send = only(await submitted(), OP.SENDMSG);
    t.equal(runtime.stats.leases, 3, "the kernel owns them");
    await complete([send, 25]);
    t.equal(runtime.stats.leases, 2, "what has left whole is given back");
    const rest = only(await submitted(), OP.SENDMSG);
    await complete([rest, 2015]);
    t.equal(stream.queuedBytes, 0);
  }),
);

t.test("a small lease joins what waits before it: one SEND, and the lease is back at once", (t) =>
  play(t, async ({ stream, recorder, runtime, submitted, complete }) => {
    stream.attach(recorder);
    await submitted();
    for (const size of [1, 32, 33, 1024]) {
      stream.writeBytes(new Uint8Array(10).fill(1));
      const lease = runtime.arena.lease(size);
      runtime.arena.u8.fill(2, lease.offset, lease.offset + size);
      const before = runtime.stats.leases;
      stream.write(lease);
      t.equal(runtime.stats.leases, before - 1);
      const send = only(await submitted(), OP.SEND);
      t.equal(send.length, 10 + size);
      await complete([send, 10 + size]);
    }
    stream.writeBytes(new Uint8Array(10));
    stream.write(runtime.arena.lease(1025));
    await complete([only(await submitted(), OP.SENDMSG), 1035]);
    stream.write(runtime.arena.lease(20));
    await complete([only(await submitted(), OP.SEND), 20]);
    t.equal(stream.queuedBytes, 0);
  }),
);

t.test("a send that would block waits for room, and is tried again", (t) =>
  play(t, async ({ stream, recorder, submitted, complete }) => {
    stream.attach(recorder);
    await submitted();
    stream.writeBytes(new Uint8Array(10));
    await complete([only(await submitted(), OP.SEND), -errno.EAGAIN]);
    await complete([only(await submitted(), OP.POLL_ADD), 4]);
    await complete([only(await submitted(), OP.SEND), 10]);
    t.equal(stream.queuedBytes, 0);
  }),
);

t.test("pause: the receive is cancelled; what it still brings is held back in blocks of its own", (t) =>
  play(t, async ({ stream, recorder, runtime, submitted, complete }) => {
    stream.attach(recorder);
    const recv = only(await submitted(), OP.RECV);
    stream.pause();
    const cancel = only(await submitted(), OP.ASYNC_CANCEL);
    await complete([recv, 5, buffer(0) | MORE], [recv, 6, buffer(1) | MORE]);
    t.equal(recorder.bytes, 0);
    t.equal(runtime.downstream.outstanding, 0, "receive buffers are back");
    t.equal(runtime.stats.leases, 2);
    stream.resume();
    await Promise.resolve();
    t.equal(recorder.bytes, 11, "delivered in order when resumed");
    t.same(await submitted(), [], "the cancel is still under way");
    await complete([cancel, 0], [recv, -errno.ECANCELED]);
    only(await submitted(), OP.RECV);
  }),
);

t.test("pause and resume in one turn cost nothing", (t) =>
  play(t, async ({ stream, recorder, submitted }) => {
    stream.attach(recorder);
    await submitted();
    stream.pause();
    stream.resume();
    t.same(await submitted(), []);
  }),
);

t.test("no buffer: armed again when one is back", (t) =>
  play(
    t,
    async ({ stream, recorder, runtime, submitted, complete }) => {
      const kept: { release(): void }[] = [];
      recorder.onData = (lease) => void kept.push(lease);
      stream.attach(recorder);
      const recv = only(await submitted(), OP.RECV);
      await complete([recv, 1, buffer(0) | MORE], [recv, 1, buffer(1) | MORE], [recv, -errno.ENOBUFS, 0]);
      t.same(await submitted(), [], "there is none to arm it for");
      t.equal(runtime.stats.receiveStarvations, 1);
      kept[0].release();
      const again = only(await submitted(), OP.RECV);
      await complete([again, 1, buffer(0) | MORE]);
      t.equal(kept.length, 3);
      for (const lease of kept.slice(1)) lease.release();
    },
    { receiveBuffers: 2 },
  ),
);

t.test("a lease to send is copied when receive buffers are scarce", (t) =>
  play(
    t,
    async ({ stream, recorder, runtime, submitted, complete }) => {
      recorder.onData = (lease) => stream.write(lease);
      stream.attach(recorder);
      const recv = only(await submitted(), OP.RECV);
      const all: [Submission, number, number][] = [0, 1, 2, 3].map((id) => [recv, 100, buffer(id) | MORE]);
      await complete(...all);
      t.equal(runtime.downstream.outstanding, 3, "the fourth of four was copied");
      const send = only(await submitted(), OP.SENDMSG);
      await complete([send, 400]);
      t.equal(runtime.downstream.outstanding, 0);
    },
    { receiveBuffers: 4 },
  ),
);

t.test("end: what is queued leaves first; both ends closed is an orderly close", (t) =>
  play(t, async ({ stream, recorder, submitted, complete }) => {
    stream.attach(recorder);
    const recv = only(await submitted(), OP.RECV);
    stream.writeBytes(new Uint8Array(10));
    stream.end();
    stream.end();
    const send = only(await submitted(), OP.SEND);
    await complete([recv, 0]);
    t.equal(recorder.ends, 1);
    t.same(await submitted(), [], "the send is not over");
    await complete([send, 10]);
    const close = only(await submitted(), OP.CLOSE);
    await complete([close, 0]);
    t.same([recorder.closes, recorder.error], [1, null]);
  }),
);

t.test("a FIN after the peer's reset: the receive tells, or the stream does", async (t) => {
  for (const paused of [false, true]) {
    // shutdown(2) says ENOTCONN when the peer has reset the connection, and so it does of one that never was.
    const fd = socket(constants.AF_INET, constants.SOCK_STREAM, 0);
    const act = async (scene: Scene): Promise<void> => {
      const { stream, recorder, submitted, complete } = scene;
      stream.attach(recorder);
      if (paused) stream.pause();
      const [operation] = await submitted();
      stream.end();
      await Promise.resolve();
      if (!paused) {
        t.equal(recorder.closes, 0, "the receive is still to come");
        await complete([operation, -errno.ECONNRESET]);
      } else {
        await complete([operation, -errno.ECANCELED]);
      }
      await windDown(scene);
      t.equal(recorder.code, "ECONNRESET", paused ? "paused" : "receiving");
    };
    await play(t, act, { fd });
  }
});

t.test("reset: the kernel is an owner until the last completion", (t) =>
  play(t, async ({ stream, recorder, runtime, submitted, complete }) => {
    stream.attach(recorder);
    const recv = only(await submitted(), OP.RECV);
    stream.writeBytes(new Uint8Array(10));
    const send = only(await submitted(), OP.SEND);
    stream.writeBytes(new Uint8Array(10));
    stream.reset();
    const cancel = only(await submitted(), OP.ASYNC_CANCEL);
    t.equal(cancel.opFlags, RING.CANCEL_FD | RING.CANCEL_ALL);
    await complete([cancel, 2], [recv, 7, buffer(3) | MORE]);
    t.equal(recorder.bytes, 0, "bytes that come now are dropped");
    await complete([recv, -errno.ECANCELED]);
    t.same(await submitted(), [], "the send still holds its block");
    t.ok(runtime.stats.leases > 0);
    await complete([send, -errno.ECANCELED]);
    const close = only(await submitted(), OP.CLOSE);
    t.equal(recorder.closes, 0);
    await complete([close, 0]);
    t.equal(recorder.code, "ERR_STREAM_ABANDONED");
    t.equal(runtime.stats.leases, 0);
    await complete([recv, 5, 0], [send, 5, 0]);
    t.equal(runtime.stats.stale, 2, "a completion from before finds nobody");
  }),
);

t.test("errors of a receive: what goes on and what closes", async (t) => {
  for (const { name, code, again } of [
    { name: "interrupted", code: errno.EINTR, again: true },
    { name: "would block", code: errno.EAGAIN, again: true },
    { name: "reset", code: errno.ECONNRESET, again: false },
    { name: "timed out", code: errno.ETIMEDOUT, again: false },
    { name: "refused by the kernel", code: errno.EINVAL, again: false },
  ]) {
    await t.test(name, (t) =>
      play(t, async ({ stream, recorder, submitted, complete }) => {
        stream.attach(recorder);
        await complete([only(await submitted(), OP.RECV), -code]);
        if (again) {
          only(await submitted(), OP.RECV);
        } else {
          await complete([only(await submitted(), OP.CLOSE), 0]);
          t.equal((recorder.error as Error & { errno: number }).errno, code);
        }
      }),
    );
  }
});

t.test("a send that fails waits for an answer that may be there already", (t) =>
  play(t, async ({ stream, recorder, submitted, complete }) => {
    stream.attach(recorder);
    const recv = only(await submitted(), OP.RECV);
    stream.writeBytes(new Uint8Array(10));
    const send = only(await submitted(), OP.SEND);
    const flushed: (Error | null)[] = [];
    stream.onFlushed((error) => flushed.push(error));
    await complete([send, -errno.EPIPE], [recv, 3, buffer(0) | MORE]);
    t.equal(recorder.bytes, 3);
    stream.onFlushed((error) => flushed.push(error));
    await submitted();
    t.match(flushed, [{ code: "EPIPE" }, { code: "EPIPE" }], "nobody is told that dropped bytes have left");
    t.equal(stream.queuedBytes, 0);
    stream.writeBytes(new Uint8Array(10));
    t.same(await submitted(), [], "nothing is sent any more");
    await complete([recv, 0]);
    await complete([only(await submitted(), OP.CLOSE), 0]);
    t.equal(recorder.code, "EPIPE");
  }),
);

t.test("an owner that throws: in onData, in onEnd, in onDrain, in onClose", async (t) => {
  for (const where of ["onData", "onEnd", "onDrain", "onClose"] as const) {
    await t.test(where, (t) =>
      play(t, async (scene) => {
        const { stream, recorder, runtime, submitted, complete } = scene;
        const fail = (): never => {
          throw new Error(where);
        };
        if (where === "onData") {
          recorder.onData = (lease) => {
            lease.release();
            fail();
          };
        }
        if (where === "onEnd") recorder.onEnd = fail;
        if (where === "onDrain") recorder.onDrain = fail;
        if (where === "onClose") recorder.onClose = fail;
        stream.attach(recorder);
        const recv = only(await submitted(), OP.RECV);
        stream.writeBytes(new Uint8Array(70_000));
        const send = only(await submitted(), OP.SENDMSG);
        await complete([send, 70_000], [recv, 3, buffer(0) | MORE], [recv, 0]);
        if (stream.open) stream.end();
        await windDown(scene);
        t.equal(runtime.stats.handlerErrors, 1);
        t.equal(runtime.stats.connections, 0);
      }),
    );
  }
});
