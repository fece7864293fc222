import { buildFloor } from "../harness/build.mjs";

/** Our own programs in C that only move bytes and hardly parse: what the kernel alone costs. */
const floor = (kind, label) => ({
  name: `floor-${kind}`,
  label,
  kind: "floor",
  find: async () => ({ binary: await buildFloor(kind), version: "this tree" }),
  refuses: (one) => (one.from === "file" ? "answers from memory only" : undefined),
  start: ({ binary, port }) => ({ command: [binary], env: { PORT: String(port) } }),
});

export const floorUring = floor("uring", "floor: io_uring in C");
export const floorEpoll = floor("epoll", "floor: epoll in C");
