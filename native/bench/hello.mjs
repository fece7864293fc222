// hello.mjs — the least HTTP server over the raw ABI: every receive is answered with the same 13 bytes, nothing is parsed. It
// shows what ring, loop and drivers cost, beside bench/floors. Usage: node bench/hello.mjs uring|poll; prints the port.
import { constants, DESCRIPTOR, OP, RING } from "@percore/native";
import { Raw } from "../test/raw.mjs";

const ACCEPT_KIND = 0x81;
const RECV_KIND = 1;
const SEND_KIND = 2;
const CLOSE_KIND = 3;

const raw = new Raw(process.argv[2] ?? "uring", { sqEntries: 4096, cqEntries: 8192, pages: 256, start: false });
const group = raw.group(1, 1024, 4096);
const { fd: listener, port } = raw.listener(512);
const { words, sqes, descriptors, sqTail, cqHead, cqTail, cqes, sqMask, cqMask } = raw;
const arenaWords = new Int32Array(raw.memory.buffer);
const arenaShorts = new Uint16Array(raw.memory.buffer);

const answer = new TextEncoder().encode(
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Tue, 24 Nov 2026 06:00:00 GMT\r\nContent-Length: 13\r\n\r\nHello, World!",
);
const answerAt = raw.alloc(answer.length);
raw.arena.set(answer, answerAt);
const low = (offset) => Number(BigInt.asIntN(32, raw.base + BigInt(offset)));
const high = (offset) => Number((raw.base + BigInt(offset)) >> 32n);
const answerLow = low(answerAt);
const answerHigh = high(answerAt);
const buffersLow = Array.from({ length: group.count }, (_, bid) => low(group.buffers + bid * group.size));
const buffersHigh = Array.from({ length: group.count }, (_, bid) => high(group.buffers + bid * group.size));

const push = (head, fd, length, opFlags, kind, groupId, addressLow, addressHigh) => {
  const tail = words[sqTail];
  const at = (tail & sqMask) << 4;
  sqes[at] = head;
  sqes[at + 1] = fd;
  sqes[at + 2] = 0;
  sqes[at + 3] = 0;
  sqes[at + 4] = addressLow;
  sqes[at + 5] = addressHigh;
  sqes[at + 6] = length;
  sqes[at + 7] = opFlags;
  sqes[at + 8] = fd;
  sqes[at + 9] = kind;
  sqes[at + 10] = groupId;
  sqes[at + 11] = 0;
  words[sqTail] = tail + 1;
};

const RECV_HEAD = OP.RECV | (RING.SQE_BUFFER_SELECT << 8) | (RING.RECV_MULTISHOT << 16);
const armReceive = (fd) => push(RECV_HEAD, fd, 0, 0, RECV_KIND, group.id, 0, 0);
const armAccept = () =>
  push(
    OP.ACCEPT | (RING.ACCEPT_MULTISHOT << 16),
    listener,
    0,
    constants.SOCK_CLOEXEC | constants.SOCK_NONBLOCK,
    ACCEPT_KIND,
    0,
    0,
    0,
  );

let bufferTail = group.tail;
const provide = (bid) => {
  const at = (group.ring >> 2) + ((bufferTail & (group.count - 1)) << 2);
  arenaWords[at] = buffersLow[bid];
  arenaWords[at + 1] = buffersHigh[bid];
  arenaWords[at + 2] = group.size;
  arenaShorts[(at << 1) + 6] = bid;
  bufferTail = (bufferTail + 1) & 0xffff;
  arenaShorts[(group.ring + 14) >> 1] = bufferTail;
};

const onReceive = (fd, res, flags) => {
  if (flags & RING.CQE_BUFFER) provide(flags >>> RING.BUFFER_SHIFT);
  if (res > 0) {
    push(
      OP.SEND,
      fd,
      answer.length,
      constants.MSG_NOSIGNAL | constants.MSG_WAITALL,
      SEND_KIND,
      0,
      answerLow,
      answerHigh,
    );
    if (!(flags & RING.CQE_MORE)) armReceive(fd);
  } else {
    push(OP.CLOSE, fd, 0, 0, CLOSE_KIND, 0, 0, 0);
    descriptors[fd] = DESCRIPTOR.none;
  }
};

const onAccept = (fd, flags) => {
  if (fd >= 0) {
    descriptors[fd] = DESCRIPTOR.stream;
    armReceive(fd);
  }
  if (!(flags & RING.CQE_MORE)) armAccept();
};

armAccept();
raw.ring.start(() => {
  let head = words[cqHead];
  for (const tail = words[cqTail]; head !== tail; head = (head + 1) | 0) {
    const at = cqes + ((head & cqMask) << 2);
    const kind = words[at + 1] & 0xff;
    if (kind === RECV_KIND) onReceive(words[at], words[at + 2], words[at + 3]);
    else if (kind === ACCEPT_KIND) onAccept(words[at + 2], words[at + 3]);
  }
  words[cqHead] = head;
});
console.log(port);
process.on("SIGTERM", () => {
  console.error([...raw.ring.counters()].join(" "));
  raw.close();
});
