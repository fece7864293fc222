// echo-worker.mjs — an echo server on the raw ABI in a worker; posts its port, and dies of its own error at any message. For
// the teardown tests.
import { parentPort, workerData } from "node:worker_threads";
import { Raw } from "./raw.mjs";

const raw = new Raw(workerData.kind, { sqEntries: 256, cqEntries: 512, pages: 64 });
const group = raw.group(1, 64, 4096);
const { fd, port } = raw.listener();
const reply = raw.alloc(4096);

raw.accept(fd, (client) => {
  if (client < 0) return;
  const serve = () =>
    raw.recv(client, group, (res, _bytes, more) => {
      if (res > 0) raw.push(26, { fd: client, addr: reply, len: res, opFlags: 0x4100 }, () => {});
      else if (res === -105) setImmediate(serve);
      else if (!more) void raw.closeFd(client);
    });
  serve();
});
if (workerData.files) {
  const path = raw.alloc(64);
  raw.arena.set(new TextEncoder().encode(`${process.execPath}\0`), path);
  const buffer = raw.alloc(1 << 20);
  const again = () =>
    raw.push(18, { fd: -100, addr: path, opFlags: 0x80000, len: 0 }, (file) => {
      raw.push(22, { fd: file, addr: buffer, len: 1 << 20, off: 0n }, () => raw.closeFd(file).then(again));
    });
  for (let count = 0; count < 8; count++) again();
}
parentPort.on("message", () => {
  throw new Error("the worker dies");
});
parentPort.postMessage({ port });
