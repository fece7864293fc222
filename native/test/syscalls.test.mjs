// syscalls.test.mjs — the synchronous calls: values or -errno, TypeErrors for wrong arguments.
import { openSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  acceptQueue,
  bind,
  close,
  constants,
  duplicate,
  errno,
  getAffinity,
  getCpu,
  getFlags,
  getpeername,
  getsockname,
  getsockoptInt,
  gettid,
  listen,
  peercred,
  rlimit,
  sendfile,
  setAffinity,
  setCloexec,
  setLinger,
  setNonblock,
  setPrivileges,
  setsockoptInt,
  shutdown,
  socket,
  socketpair,
} from "@percore/native";
import t from "tap";
import { listenLoopback, loopback, must, portOf, sleep } from "./raw.mjs";

const { AF_INET, SOCK_STREAM, SOL_SOCKET, O_NONBLOCK } = constants;

t.test("sockets", async (t) => {
  const fd = must(socket(AF_INET, SOCK_STREAM, 0));
  t.equal(getFlags(fd) & O_NONBLOCK, O_NONBLOCK);
  t.equal(setNonblock(fd, false), 0);
  t.equal(getFlags(fd) & O_NONBLOCK, 0);
  t.equal(setCloexec(fd, false), 0);
  t.match(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"), /flags:\s+02\n/, "no flag is left");
  t.equal(setCloexec(fd, true), 0);
  t.equal(setsockoptInt(fd, SOL_SOCKET, constants.SO_REUSEADDR, 1), 0);
  t.same(getsockoptInt(fd, SOL_SOCKET, constants.SO_REUSEADDR), { value: 1 });
  t.same(getsockoptInt(fd, SOL_SOCKET, constants.SO_DOMAIN), { value: AF_INET });
  t.equal(setsockoptInt(fd, SOL_SOCKET, 9999, 1), -92, "ENOPROTOOPT");
  t.equal(getpeername(fd), -errno.ENOTCONN);
  t.equal(setLinger(fd, 0), 0);
  t.equal(setLinger(fd, -1), 0);
  t.equal(bind(fd, loopback(0)), 0);
  t.equal(listen(fd, 5), 0);
  t.same(acceptQueue(fd), { length: 0, max: 5 });
  const client = net.connect(portOf(fd), "127.0.0.1");
  await new Promise((resolve) => client.once("connect", resolve));
  await sleep(10);
  t.same(acceptQueue(fd), { length: 1, max: 5 });
  client.destroy();
  const second = must(socket(AF_INET, SOCK_STREAM, 0));
  t.equal(bind(second, loopback(portOf(fd))), -errno.EADDRINUSE);
  t.equal(bind(second, new Uint8Array(3)), -errno.EINVAL);
  const copy = must(duplicate(fd));
  t.not(copy, fd);
  t.same(getsockname(copy), getsockname(fd));
  for (const each of [fd, second, copy]) t.equal(close(each), 0);
  t.equal(close(copy), -errno.EBADF);
  t.equal(getsockname(copy), -errno.EBADF);
});

t.test("pairs, peers and shutdown", async (t) => {
  const [left, right] = socketpair(SOCK_STREAM);
  t.same(peercred(left), { pid: process.pid, uid: process.getuid(), gid: process.getgid() });
  t.equal(shutdown(left, constants.SHUT_WR), 0);
  t.equal(close(left), 0);
  t.equal(close(right), 0);
  t.equal(peercred(right), -errno.EBADF);
});

t.test("sendfile", async (t) => {
  const path = join(tmpdir(), `percore-sendfile-${process.pid}`);
  writeFileSync(path, Buffer.alloc(4 << 20, "abcd"));
  const file = openSync(path, "r");
  const listener = listenLoopback();
  const [left, right] = socketpair(SOCK_STREAM);
  t.equal(sendfile(left, file, 2, 6), 6);
  t.equal(sendfile(left, file, 4 << 20, 10), 0, "the end of the file");
  let total = 0;
  let last = sendfile(left, file, 0, 4 << 20);
  for (; last > 0; last = sendfile(left, file, total, 4 << 20)) total += last;
  t.equal(last, -errno.EAGAIN, `would block after ${total}`);
  t.equal(sendfile(left, -1, 0, 1), -errno.EBADF);
  for (const fd of [left, right, listener]) close(fd);
});

t.test("processors", async (t) => {
  const cpus = getAffinity();
  t.ok(cpus.length >= 1);
  t.ok(cpus.includes(getCpu()));
  t.equal(setAffinity([cpus[0]]), 0);
  t.same(getAffinity(), [cpus[0]]);
  t.equal(getCpu(), cpus[0]);
  t.equal(setAffinity([]), -errno.EINVAL);
  t.equal(setAffinity([99999]), -errno.EINVAL);
  t.equal(setAffinity(cpus), 0);
  t.ok(gettid() > 0);
});

t.test("limits and privileges", async (t) => {
  for (const which of ["memlock", "nofile"]) t.ok(rlimit(which).soft <= rlimit(which).hard, which);
  t.throws(() => rlimit("cpu"), TypeError);
  if (process.getuid() !== 0) t.equal(setPrivileges(0, 0, []), -errno.EPERM);
  else t.pass("root: giving privileges up is tested by the runtime, in a process of its own");
});

t.test("wrong arguments are TypeErrors", async (t) => {
  t.throws(() => socket("x", 1, 0), TypeError);
  t.throws(() => bind(1, [1, 2]), TypeError);
  t.throws(() => bind(1, new Uint16Array(8)), TypeError);
  t.throws(() => close(), TypeError);
  t.throws(() => setAffinity(1), TypeError);
  t.throws(() => setAffinity(["0"]), TypeError);
  t.throws(() => setPrivileges(1, 1), TypeError);
});
