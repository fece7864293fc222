// network.test.mjs — socket operations by raw submissions, the same for both drivers.
import net from "node:net";
import {
  close,
  constants,
  errno,
  getsockoptInt,
  listen,
  OP,
  RING,
  setsockoptInt,
  shutdown,
  socket,
  socketpair,
  USER_DATA,
} from "@percore/native";
import t from "tap";
import { KINDS, listenLoopback, loopback, must, portOf, Raw, sleep } from "./raw.mjs";

const WAITALL = constants.MSG_NOSIGNAL | constants.MSG_WAITALL;

const connectTo = (port) =>
  new Promise((resolve, reject) => {
    const client = net.connect(port, "127.0.0.1", () => resolve(client));
    client.once("error", reject);
  });

const until = async (condition, what) => {
  for (let round = 0; round < 500; round++) {
    if (condition()) return;
    await sleep(10);
  }
  throw new Error(`not within 5 s: ${what}`);
};

const pair = (raw) => {
  const both = socketpair(constants.SOCK_STREAM);
  raw.descriptors.fill(1, both[0], both[0] + 1);
  raw.descriptors.fill(1, both[1], both[1] + 1);
  return both;
};

for (const kind of KINDS) {
  t.test(kind, async (t) => {
    t.test("multishot accept and receive: an echo server", async (t) => {
      const raw = new Raw(kind);
      const group = raw.group(1, 64, 4096);
      const { fd, port } = raw.listener();
      let ends = 0;
      let armed = true;
      raw.accept(fd, (client, more) => {
        armed &&= more;
        raw.recv(client, group, (res, bytes) => {
          if (res > 0) void raw.send(client, bytes.slice());
          else void raw.closeFd(client).then(() => ends++);
        });
      });
      const clients = await Promise.all(Array.from({ length: 20 }, () => connectTo(port)));
      for (const [index, client] of clients.entries()) {
        let got = "";
        client.setEncoding("utf8").on("data", (text) => (got += text));
        for (let round = 0; round < 10; round++) {
          client.write(`message ${index} ${round};`);
          await until(() => got.split(";").length === round + 2, "the echo");
        }
        client.end();
      }
      await until(() => ends === 20, "all connections end");
      t.ok(armed, "the accept stays armed");
      t.equal(raw.slots.size, 1, "only the accept is pending");
      raw.close();
    });

    t.test("ENOBUFS when a group is empty, and nothing is lost after arming again", async (t) => {
      const raw = new Raw(kind);
      const group = raw.group(1, 4, 64);
      const [left, right] = pair(raw);
      const kept = [];
      let starved = 0;
      let total = 0;
      const arm = () =>
        raw.recv(left, group, (res, _bytes, more, bid) => {
          if (res > 0) {
            total += res;
            kept.push(bid);
            return true;
          }
          t.equal(res, -errno.ENOBUFS);
          t.notOk(more, "the receive has ended");
          starved++;
          return false;
        });
      arm();
      await raw.send(right, new Uint8Array(1000).fill(7));
      for (let round = 0; total < 1000; round++) {
        await until(() => starved === round + 1, "starvation");
        t.equal(total, Math.min((round + 1) * 256, 1000));
        for (const bid of kept.splice(0)) raw.provide(group, bid);
        arm();
        await sleep(20);
        if (total === 1000 && starved === round + 1) break;
      }
      t.equal(total, 1000);
      raw.close();
    });

    t.test("the end of a stream comes after the data that came with it", async (t) => {
      const raw = new Raw(kind);
      const group = raw.group(1, 16, 4096);
      const { fd, port } = raw.listener();
      const log = [];
      raw.accept(fd, (client) => {
        // The client's data and its FIN are both there before the receive is armed.
        setTimeout(() => raw.recv(client, group, (res) => void log.push(res)), 50);
      });
      const client = await connectTo(port);
      client.end("12345");
      await until(() => log.length >= 2, "data and end");
      t.same(log, [5, 0]);
      raw.close();
    });

    t.test("one-shot receive into a given address", async (t) => {
      const raw = new Raw(kind);
      const [left, right] = pair(raw);
      const offset = raw.alloc(16);
      const received = raw.once(OP.RECV, { fd: left, addr: offset, len: 16 });
      await raw.send(right, "abc");
      t.equal(await received, 3);
      t.same([...raw.arena.subarray(offset, offset + 3)], [97, 98, 99]);
      raw.close();
    });

    t.test("a reset is reported as ECONNRESET", async (t) => {
      const raw = new Raw(kind);
      const group = raw.group(1, 16, 4096);
      const { fd, port } = raw.listener();
      const log = [];
      raw.accept(fd, (client) => raw.recv(client, group, (res) => void log.push(res)));
      const client = await connectTo(port);
      await sleep(20);
      client.resetAndDestroy();
      await until(() => log.length > 0, "the reset");
      t.same(log, [-errno.ECONNRESET]);
      raw.close();
    });

    for (const how of ["SEND", "SENDMSG"]) {
      t.test(`${how} with MSG_WAITALL to a slow reader completes once, with everything`, async (t) => {
        const raw = new Raw(kind, { pages: 512 });
        const { fd, port } = raw.listener();
        let server = -1;
        raw.accept(fd, (client) => (server = client));
        const client = await connectTo(port);
        client.pause();
        await until(() => server >= 0, "accept");
        must(setsockoptInt(server, constants.SOL_SOCKET, constants.SO_SNDBUF, 65536));
        const size = 8 << 20;
        const offset = raw.alloc(size);
        for (let at = 0; at < size; at++) raw.arena[offset + at] = (at * 7 + (at >> 12)) & 0xff;
        let finished = false;
        let operation;
        if (how === "SEND") {
          operation = raw.once(OP.SEND, { fd: server, addr: offset, len: size, opFlags: WAITALL });
        } else {
          const third = Math.floor(size / 3);
          const message = messageOf(raw, [
            [offset, third],
            [offset + third, third],
            [offset + 2 * third, size - 2 * third],
          ]);
          operation = raw.once(OP.SENDMSG, { fd: server, addr: message, len: 1, opFlags: WAITALL });
        }
        operation.then(() => (finished = true));
        await sleep(50);
        t.notOk(finished, "the reader does not read: it is pending");
        let at = 0;
        let wrong = 0;
        client.on("data", (chunk) => {
          for (const byte of chunk) {
            if (byte !== ((at * 7 + (at >> 12)) & 0xff)) wrong++;
            at++;
          }
        });
        client.resume();
        t.equal(await operation, size);
        await until(() => at === size, "all bytes");
        t.equal(wrong, 0);
        client.destroy();
        raw.close();
      });
    }

    t.test("a pending send fails, or tells how far it came, when the peer resets", async (t) => {
      const raw = new Raw(kind, { pages: 512 });
      const { fd, port } = raw.listener();
      let server = -1;
      raw.accept(fd, (client) => (server = client));
      const client = await connectTo(port);
      client.pause();
      await until(() => server >= 0, "accept");
      const offset = raw.alloc(16 << 20);
      const operation = raw.once(OP.SEND, { fd: server, addr: offset, len: 16 << 20, opFlags: WAITALL });
      await sleep(50);
      client.resetAndDestroy();
      const result = await operation;
      t.ok(result < 16 << 20 && result !== 0, `result ${result}`);
      const next = await raw.send(server, "x");
      t.ok([-errno.EPIPE, -errno.ECONNRESET].includes(next), `then ${next}`);
      raw.close();
    });

    t.test("connect: accepted, refused, and to a listener that is gone", async (t) => {
      const raw = new Raw(kind);
      const { port } = raw.listener();
      const address = raw.alloc(16);
      const connect = (target) => {
        raw.arena.set(loopback(target), address);
        const fd = must(socket(constants.AF_INET, constants.SOCK_STREAM, 0));
        raw.descriptors[fd] = 1;
        return raw.once(OP.CONNECT, { fd, addr: address, off: 16n }).then((result) => ({ fd, result }));
      };
      const good = await connect(port);
      t.equal(good.result, 0);
      t.equal(await raw.send(good.fd, "hello"), 5);
      const gone = listenLoopback();
      const freePort = portOf(gone);
      close(gone);
      const refused = await connect(freePort);
      t.equal(refused.result, -errno.ECONNREFUSED);
      raw.close();
    });

    t.test("cancel by user_data and by descriptor", async (t) => {
      const raw = new Raw(kind);
      const group = raw.group(1, 16, 4096);
      const [left, right] = pair(raw);
      const results = [];
      const slot = raw.recv(left, group, (res) => void results.push(res));
      await sleep(10);
      t.equal(await raw.once(OP.ASYNC_CANCEL, { addr: raw.userData(slot) }), 0);
      await until(() => results.length === 1, "the cancelled receive");
      t.same(results, [-errno.ECANCELED]);
      t.equal(await raw.once(OP.ASYNC_CANCEL, { addr: raw.userData(slot) }), -errno.ENOENT, "it is gone");

      raw.recv(left, group, (res) => void results.push(res));
      const polled = raw.once(OP.POLL_ADD, { fd: left, opFlags: constants.POLLPRI });
      await sleep(10);
      t.equal(await raw.cancelFd(left), 2);
      t.equal(await polled, -errno.ECANCELED);
      await until(() => results.length === 2, "the cancelled receive");
      t.equal(results[1], -errno.ECANCELED);
      const inflight = raw.counter("inflight");
      t.ok(inflight >= 0 && inflight <= (kind === "uring" ? 1 : 0), `${inflight}: nothing but the loop's own poll`);

      const again = [];
      raw.recv(left, group, (res) => void again.push(res));
      await raw.send(right, "still works");
      await until(() => again.length === 1, "data");
      t.equal(again[0], 11);
      raw.close();
    });

    t.test("POLL_ADD: ready at once, later, and on hang-up", async (t) => {
      const raw = new Raw(kind);
      const [left, right] = pair(raw);
      t.equal(await raw.once(OP.POLL_ADD, { fd: left, opFlags: constants.POLLOUT }), constants.POLLOUT);
      const readable = raw.once(OP.POLL_ADD, { fd: left, opFlags: constants.POLLIN });
      await sleep(10);
      await raw.send(right, "x");
      t.equal((await readable) & constants.POLLIN, constants.POLLIN);
      const hung = raw.once(OP.POLL_ADD, { fd: left, opFlags: constants.POLLRDHUP });
      await raw.closeFd(right);
      t.equal((await hung) & constants.POLLRDHUP, constants.POLLRDHUP);
      raw.close();
    });

    t.test("shutdown, close and wrong descriptors", async (t) => {
      const raw = new Raw(kind);
      const group = raw.group(1, 16, 4096);
      const [left, right] = pair(raw);
      const log = [];
      raw.recv(right, group, (res) => void log.push(res));
      t.equal(await raw.once(OP.SHUTDOWN, { fd: left, len: constants.SHUT_WR }), 0);
      await until(() => log.length === 1, "the end");
      t.same(log, [0]);
      t.equal(await raw.closeFd(left), 0);
      t.equal(await raw.closeFd(left), -errno.EBADF);
      t.equal(await raw.send(left, "x"), -errno.EBADF);
      t.equal(await raw.once(OP.RECV, { fd: left, addr: 0, len: 1 }), -errno.EBADF);
      for (const fd of [-1, 0x7fffffff]) {
        t.equal(await raw.once(OP.RECV, { fd, addr: 0, len: 1 }), -errno.EBADF);
        t.equal(await raw.once(OP.SEND, { fd, addr: 0, len: 1 }), -errno.EBADF);
        t.equal(await raw.once(OP.ACCEPT, { fd }), -errno.EBADF);
        t.equal(await raw.once(OP.POLL_ADD, { fd, opFlags: constants.POLLIN }), -errno.EBADF);
        t.equal(await raw.once(OP.CLOSE, { fd }), -errno.EBADF);
        t.equal(await raw.cancelFd(fd), kind === "uring" ? -errno.EBADF : -errno.ENOENT);
      }
      t.equal(await raw.once(200, {}), -errno.EINVAL, "an operation that nobody knows");
      t.equal(await raw.once(OP.NOP, {}), 0);
      raw.close();
    });

    t.test("a descriptor number that is used again starts afresh", async (t) => {
      const raw = new Raw(kind);
      const group = raw.group(1, 16, 4096);
      const { fd, port } = raw.listener();
      const seen = new Set();
      let served = 0;
      raw.accept(fd, (client) => {
        seen.add(client);
        raw.recv(client, group, (res, bytes) => {
          if (res > 0)
            void raw
              .send(client, bytes.slice())
              .then(() => raw.cancelFd(client))
              .then(() => raw.closeFd(client));
          else served++;
        });
      });
      for (let round = 0; round < 200; round++) {
        const client = await connectTo(port);
        const done = new Promise((resolve) => client.on("close", resolve));
        client.on("error", () => {});
        client.write("x");
        client.resume();
        await done;
      }
      await until(() => served === 200, "all served");
      t.ok(seen.size < 10, `${seen.size} numbers for 200 connections`);
      raw.close();
    });

    t.test("a full submission queue: submit() makes room without waiting", async (t) => {
      const raw = new Raw(kind, { sqEntries: 8, cqEntries: 64 });
      const results = [];
      for (let count = 0; count < 50; count++) raw.push(OP.NOP, {}, (res) => void results.push(res));
      t.ok(raw.counter("submitted") >= 40);
      await until(() => results.length === 50, "all completions");
      raw.close();
    });

    t.test("a full completion queue loses nothing", async (t) => {
      const raw = new Raw(kind, { sqEntries: 8, cqEntries: 8 });
      const results = [];
      for (let count = 0; count < 200; count++) raw.push(OP.NOP, {}, () => void results.push(count));
      await until(() => results.length === 200, "all completions");
      t.same(
        results,
        Array.from({ length: 200 }, (_, index) => index),
        "in order",
      );
      t.ok(raw.counter("overflows") > 0, "it did overflow");
      t.equal(await raw.once(OP.NOP, {}), 0, "and goes on");
      raw.close();
    });

    t.test("a batch may be left unfinished: it is called again", async () => {
      const raw = new Raw(kind, { start: false });
      let taken = 0;
      raw.ring.start(() => {
        const head = raw.words[raw.cqHead];
        const at = raw.cqes + ((head & raw.cqMask) << 2);
        if ((raw.words[at + 1] & 0xff) !== USER_DATA.kindInternal) taken++;
        raw.words[raw.cqHead] = head + 1;
      });
      for (let count = 0; count < 30; count++) raw.push(OP.NOP, {}, () => {});
      await until(() => taken === 30, "one at a time");
      raw.close();
    });

    t.test("a fast sender does not starve the others", async (t) => {
      const raw = new Raw(kind, { pages: 256 });
      const group = raw.group(1, 256, 1024);
      const { fd, port } = raw.listener();
      let bytes = 0;
      let pings = 0;
      // Before Linux 6.8 one receive takes every buffer in one go: who found none is armed first.
      let starved = [];
      const armAll = () => {
        const arms = starved.reverse();
        starved = [];
        for (const arm of arms) arm();
      };
      raw.accept(fd, (client) => {
        const arm = () =>
          raw.recv(client, group, (res, _data, more) => {
            if (res === 1) pings++;
            else if (res > 0) bytes += res;
            if (more || (res <= 0 && res !== -errno.ENOBUFS)) return;
            if (starved.push(arm) === 1) setImmediate(armAll);
          });
        arm();
      });
      const flood = await connectTo(port);
      flood.on("error", () => {});
      const chunk = Buffer.alloc(1 << 20);
      const pump = () => {
        while (!flood.destroyed && flood.write(chunk));
      };
      flood.on("drain", pump);
      pump();
      const small = await connectTo(port);
      for (let round = 1; round <= 50 || (bytes < 1 << 20 && round < 1000); round++) {
        small.write("p");
        await until(() => pings >= round, "the small one is served");
      }
      t.ok(bytes >= 1 << 20, `while ${bytes} bytes of the flood came in`);
      flood.destroy();
      small.destroy();
      raw.close();
    });

    t.test("unregistered and wrong buffer groups", async (t) => {
      const raw = new Raw(kind);
      const offset = raw.alloc(4096, 4096);
      t.equal(raw.ring.registerBuffers(7, offset, 3), -errno.EINVAL, "not a power of two");
      t.equal(raw.ring.registerBuffers(7, offset + 16, 4), -errno.EINVAL, "not at a page");
      t.equal(raw.ring.registerBuffers(7, raw.arena.length, 4), -errno.EINVAL, "beyond the arena");
      t.equal(raw.ring.registerBuffers(7, offset, 4), 0);
      t.equal(raw.ring.registerBuffers(7, offset, 4), -errno.EEXIST);
      t.equal(raw.ring.unregisterBuffers(7), 0);
      t.ok([-errno.ENOENT, -errno.EINVAL].includes(raw.ring.unregisterBuffers(7)), "gone (6.1 says EINVAL)");
      t.equal(raw.ring.registerBuffers(7, offset, 4), 0, "and again");
      raw.close();
    });

    t.test("accept reports EMFILE-like failures and listeners that shut down", async (t) => {
      const raw = new Raw(kind);
      const { fd } = raw.listener();
      const log = [];
      raw.accept(fd, (res, more) => log.push([res, more]));
      await sleep(10);
      shutdown(fd, constants.SHUT_RDWR);
      await until(() => log.length === 1, "the end of the accept");
      t.same(log, [[-errno.EINVAL, false]]);
      t.equal(listen(fd, 16), 0);
      t.same(getsockoptInt(fd, constants.SOL_SOCKET, constants.SO_ACCEPTCONN), { value: 1 });
      raw.close();
    });

    t.test("supports()", async (t) => {
      const raw = new Raw(kind, { start: false });
      for (const [name, op] of Object.entries(OP)) t.ok(raw.ring.supports(op), name);
      t.notOk(raw.ring.supports(200));
      t.equal(raw.ring.kind, kind);
      t.ok(RING.CQE_MORE === 2);
      raw.close();
    });
  });
}

/** A msghdr with its iovecs in the arena; parts are [offset, length]. */
function messageOf(raw, parts) {
  const iov = raw.alloc(parts.length * 16);
  const view = new DataView(raw.memory.buffer);
  for (const [index, [offset, length]] of parts.entries()) {
    view.setBigUint64(iov + index * 16, raw.base + BigInt(offset), true);
    view.setBigUint64(iov + index * 16 + 8, BigInt(length), true);
  }
  const header = raw.alloc(56);
  raw.arena.fill(0, header, header + 56);
  view.setBigUint64(header + 16, raw.base + BigInt(iov), true);
  view.setBigUint64(header + 24, BigInt(parts.length), true);
  return header;
}
