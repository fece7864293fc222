// files.test.mjs — file operations by raw submissions: the kernel's own, or libuv's thread pool behind the poll driver.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { close, constants, errno, OP, socketpair } from "@percore/native";
import t from "tap";
import { KINDS, Raw } from "./raw.mjs";

const cstring = (raw, text) => {
  const bytes = new TextEncoder().encode(`${text}\0`);
  const offset = raw.alloc(bytes.length);
  raw.arena.set(bytes, offset);
  return offset;
};

for (const kind of KINDS) {
  t.test(kind, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "percore-files-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const raw = new Raw(kind, { pages: 256 });
    const open = (path, flags, mode = 0) =>
      raw.once(OP.OPENAT, {
        fd: constants.AT_FDCWD,
        addr: cstring(raw, path),
        opFlags: flags | constants.O_CLOEXEC,
        len: mode,
      });

    t.test("open, statx, read, write, fsync, close, unlink", async (t) => {
      const path = join(folder, "data");
      writeFileSync(path, "hello file");
      const fd = await open(path, constants.O_RDONLY);
      t.ok(fd >= 0);
      const status = raw.alloc(256, 8);
      const statx = {
        fd,
        addr: cstring(raw, ""),
        opFlags: constants.AT_EMPTY_PATH,
        len: constants.STATX_BASIC_STATS,
        off: status,
      };
      t.equal(await raw.once(OP.STATX, statx), 0);
      const view = new DataView(raw.memory.buffer);
      t.equal(view.getBigUint64(status + 40, true), 10n, "stx_size");
      const buffer = raw.alloc(64);
      t.equal(await raw.once(OP.READ, { fd, addr: buffer, len: 64, off: 6n }), 4);
      t.equal(new TextDecoder().decode(raw.arena.subarray(buffer, buffer + 4)), "file");
      t.equal(await raw.once(OP.READ, { fd, addr: buffer, len: 64, off: 10n }), 0, "the end");
      t.equal(await raw.once(OP.READ, { fd, addr: buffer, len: 5, off: -1n }), 5, "at the position");
      t.equal(await raw.once(OP.READ, { fd, addr: buffer, len: 5, off: -1n }), 5, "and on");
      t.equal(await raw.closeFd(fd), 0);

      const made = join(folder, "made");
      const out = await open(made, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o640);
      t.equal(await raw.once(OP.WRITE, { fd: out, addr: buffer, len: 5, off: 3n }), 5);
      t.equal(await raw.once(OP.FSYNC, { fd: out }), 0);
      t.equal(await raw.once(OP.FSYNC, { fd: out, opFlags: constants.IORING_FSYNC_DATASYNC }), 0);
      t.equal(readFileSync(made).length, 8);
      t.equal(statSync(made).mode & 0o777, 0o640 & ~process.umask());
      t.equal(await raw.closeFd(out), 0);
      t.equal(await raw.once(OP.UNLINKAT, { fd: constants.AT_FDCWD, addr: cstring(raw, made) }), 0);
      t.equal(await open(made, constants.O_RDONLY), -errno.ENOENT);
    });

    t.test("many at once", async (t) => {
      const path = join(folder, "many");
      const data = new Uint8Array(1 << 20).map((_, index) => (index * 31) & 0xff);
      writeFileSync(path, data);
      const fd = await open(path, constants.O_RDONLY);
      const buffer = raw.alloc(1 << 20);
      const piece = 16384;
      const reads = [];
      for (let at = 0; at < data.length; at += piece) {
        reads.push(raw.once(OP.READ, { fd, addr: buffer + at, len: piece, off: BigInt(at) }));
      }
      t.ok((await Promise.all(reads)).every((size) => size === piece));
      t.same(Buffer.compare(raw.arena.subarray(buffer, buffer + data.length), data), 0);
      await raw.closeFd(fd);
    });

    t.test("errors are results", async (t) => {
      t.equal(await raw.once(OP.READ, { fd: 9999, addr: 0, len: 1, off: 0n }), -errno.EBADF);
      t.equal(await open(join(folder, "no", "such"), constants.O_RDONLY), -errno.ENOENT);
      const directory = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
      t.equal(await raw.once(OP.READ, { fd: directory, addr: 0, len: 1, off: 0n }), -errno.EISDIR);
      await raw.closeFd(directory);
    });

    if (kind === "poll") {
      t.test("READ of a stream is refused: it would hold a thread of the pool", async (t) => {
        const [left, right] = socketpair(constants.SOCK_STREAM);
        t.equal(await raw.once(OP.READ, { fd: left, addr: 0, len: 1, off: -1n }), -errno.EOPNOTSUPP);
        close(left);
        close(right);
      });
    }

    t.test("end", async () => raw.close());
  });
}
