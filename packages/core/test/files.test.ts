import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants } from "@percore/native";
import { File } from "../src/files.ts";
import { overDrivers, pattern } from "./transport.ts";

const folder = mkdtempSync(join(tmpdir(), "percore-"));

overDrivers("write, sync, stat, read, close", {}, async (t, runtime) => {
  const path = join(folder, "written");
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC;
  const file = await File.open(path, { flags, mode: 0o640, runtime });
  t.equal(runtime.stats.files, 1);
  const content = pattern(150_000);
  const lease = runtime.arena.lease(65_536);
  for (let at = 0; at < content.length; ) {
    lease.length = Math.min(65_536, content.length - at);
    lease.bytes.set(content.subarray(at, at + lease.length));
    at += await file.write(lease, at);
  }
  await file.sync();
  await file.sync({ dataOnly: true });
  const stat = await file.stat();
  t.equal(stat.size, content.length);
  t.equal(stat.isFile, true);
  t.equal(stat.isDirectory, false);
  t.equal(stat.mode & 0o777, 0o640);
  t.equal(stat.inode, String(statSync(path).ino));
  t.ok(Math.abs(stat.mtimeMs - statSync(path).mtimeMs) < 0.01);
  lease.length = 1000;
  t.equal(await file.read(lease, 100_000), 1000);
  t.equal(Buffer.compare(lease.bytes, content.subarray(100_000, 101_000)), 0);
  t.equal(await file.read(lease, 149_900), 100, "a short read at the end");
  t.equal(await file.read(lease, 150_000), 0, "nothing after it");
  lease.release();
  await file.close();
  await file.close();
  await t.rejects(file.stat(), { code: "ERR_STREAM_CLOSED" });
  t.equal(Buffer.compare(readFileSync(path), content), 0);
});

overDrivers("positions beyond 4 GiB", {}, async (t, runtime) => {
  const file = await File.open(join(folder, "sparse"), { flags: constants.O_RDWR | constants.O_CREAT, runtime });
  const lease = runtime.arena.lease(4);
  lease.bytes.set([1, 2, 3, 4]);
  t.equal(await file.write(lease, 5_000_000_000), 4);
  lease.bytes.fill(0);
  t.equal(await file.read(lease, 5_000_000_000), 4);
  t.same([...lease.bytes], [1, 2, 3, 4]);
  t.equal((await file.stat()).size, 5_000_000_004);
  lease.release();
  await file.close();
});

overDrivers("what cannot be opened", {}, async (t, runtime) => {
  await t.rejects(File.open(join(folder, "absent"), { runtime }), { code: "ENOENT", syscall: "open" });
  await t.rejects(File.open("", { runtime }), { code: "ERR_ADDRESS_INVALID" });
  await t.rejects(File.open("a\0b", { runtime }), { code: "ERR_ADDRESS_INVALID" });
  await t.rejects(File.open("x".repeat(5000), { runtime }), { code: "ERR_ADDRESS_INVALID" });
  const file = await File.open(folder, { runtime });
  t.equal((await file.stat()).isDirectory, true);
  const lease = runtime.arena.lease(10);
  await t.rejects(file.read(lease, 0), { code: "EISDIR" });
  lease.release();
  await file.close();
});

overDrivers("an AbortSignal: the lease is back when the promise rejects", {}, async (t, runtime) => {
  const path = join(folder, "read");
  writeFileSync(path, pattern(100_000));
  const reason = new Error("given up");
  await t.rejects(File.open(path, { signal: AbortSignal.abort(reason), runtime }), reason);
  const opening = new AbortController();
  const opened = File.open(path, { signal: opening.signal, runtime });
  opening.abort(reason);
  await t.rejects(opened, reason, "a descriptor that came too late is closed");
  const file = await File.open(path, { runtime });
  const lease = runtime.arena.lease(1000);
  const reading = new AbortController();
  const read = file.read(lease, 0, { signal: reading.signal });
  reading.abort(reason);
  await t.rejects(read, reason);
  lease.release();
  await file.close();
});

overDrivers("many at once", {}, async (t, runtime) => {
  const path = join(folder, "many");
  writeFileSync(path, pattern(100_000));
  const file = await File.open(path, { runtime });
  const reads = Array.from({ length: 200 }, async (_, at) => {
    const lease = runtime.arena.lease(500);
    const size = await file.read(lease, at * 500);
    const same = Buffer.compare(lease.bytes, pattern(100_000).subarray(at * 500, at * 500 + 500)) === 0;
    lease.release();
    return size === 500 && same;
  });
  t.ok((await Promise.all(reads)).every((right) => right));
  await file.close();
});
