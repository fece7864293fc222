// raw.mjs — the smallest driver of the raw ABI that tests and the bench need: submissions by name, completions by slot.
import {
  bind,
  COUNTERS,
  constants,
  DESCRIPTOR,
  getsockname,
  LAYOUT,
  listen,
  OP,
  openRing,
  RING,
  setsockoptInt,
  socket,
  USER_DATA,
} from "@percore/native";

export const KINDS = process.env.PERCORE_TEST_DRIVER ? [process.env.PERCORE_TEST_DRIVER] : ["uring", "poll"];
const DESCRIPTOR_KIND = USER_DATA.kindDescriptorBit | 1;
const PLAIN_KIND = 1;

/** A ring whose completions resolve callbacks; memory is handed out of the arena by a bump pointer. */
export class Raw {
  constructor(kind, { sqEntries = 256, cqEntries = 1024, pages = 64, start = true } = {}) {
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const ring = openRing({ kind, sqEntries, cqEntries, arena: this.memory.buffer });
    if (!("layout" in ring))
      throw Object.assign(new Error(`${ring.step}: ${ring.detail} (${ring.errno})`), { failure: ring });
    this.ring = ring;
    this.arena = new Uint8Array(this.memory.buffer);
    this.words = new Int32Array(ring.rings);
    this.sqes = new Int32Array(ring.sqes);
    this.descriptors = new Uint8Array(ring.descriptors);
    const at = (name) => ring.layout[LAYOUT[name]] >> 2;
    this.sqHead = at("sqHead");
    this.sqTail = at("sqTail");
    this.cqHead = at("cqHead");
    this.cqTail = at("cqTail");
    this.cqes = at("cqes");
    this.sqMask = ring.layout[LAYOUT.sqMask];
    this.cqMask = ring.layout[LAYOUT.cqMask];
    this.base = (BigInt(ring.layout[LAYOUT.arenaHigh] >>> 0) << 32n) | BigInt(ring.layout[LAYOUT.arenaLow] >>> 0);
    this.used = 0;
    this.slots = new Map();
    this.nextSlot = 1;
    this.batches = 0;
    this.groups = new Map();
    if (start) this.start();
  }

  start() {
    this.ring.start(() => this.drain());
  }

  get queued() {
    return (this.words[this.sqTail] - this.words[this.sqHead]) | 0;
  }

  counter(name) {
    return this.ring.counters()[COUNTERS[name]];
  }

  alloc(size, align = 16) {
    const offset = Math.ceil(this.used / align) * align;
    this.used = offset + size;
    if (this.used > this.arena.length) throw new RangeError("the test's arena is full");
    return offset;
  }

  /** Queues an operation; `done(res, flags)` is called for each completion, until one without MORE. Returns the slot. */
  push(op, fields, done) {
    if (this.queued > this.sqMask) this.ring.submit();
    const slot = this.nextSlot++;
    const tail = this.words[this.sqTail];
    const at = (tail & this.sqMask) << 4;
    this.sqes.fill(0, at, at + 16);
    this.sqes[at] = op | ((fields.flags ?? 0) << 8) | ((fields.ioprio ?? 0) << 16);
    this.sqes[at + 1] = fields.fd ?? -1;
    this.#address(at + 2, fields.off);
    this.#address(at + 4, fields.addr);
    this.sqes[at + 6] = fields.len ?? 0;
    this.sqes[at + 7] = fields.opFlags ?? 0;
    this.sqes[at + 8] = slot;
    this.sqes[at + 9] = op === OP.ACCEPT || op === OP.OPENAT ? DESCRIPTOR_KIND : PLAIN_KIND;
    this.sqes[at + 10] = fields.group ?? 0;
    this.slots.set(slot, { done, op });
    this.words[this.sqTail] = tail + 1;
    return slot;
  }

  /** A promise of one completion's result. */
  once(op, fields) {
    return new Promise((resolve) => this.push(op, fields, (res) => resolve(res)));
  }

  /** An operation's user_data as ASYNC_CANCEL takes it. */
  userData(slot) {
    const { op } = this.slots.get(slot) ?? { op: OP.NOP };
    const kind = op === OP.ACCEPT || op === OP.OPENAT ? DESCRIPTOR_KIND : PLAIN_KIND;
    return (BigInt(kind) << 32n) | BigInt(slot);
  }

  #address(at, value) {
    if (value === undefined) return;
    const wide = typeof value === "bigint" ? value : this.base + BigInt(value);
    this.sqes[at] = Number(BigInt.asIntN(32, wide));
    this.sqes[at + 1] = Number(BigInt.asIntN(32, wide >> 32n));
  }

  drain() {
    this.batches++;
    for (;;) {
      const head = this.words[this.cqHead];
      if (head === this.words[this.cqTail]) return;
      const at = this.cqes + ((head & this.cqMask) << 2);
      const slot = this.words[at];
      const kind = this.words[at + 1] & 0xff;
      const res = this.words[at + 2];
      const flags = this.words[at + 3];
      if (kind !== USER_DATA.kindInternal && kind & USER_DATA.kindDescriptorBit && res >= 0)
        this.descriptors[res] = DESCRIPTOR.stream;
      this.words[this.cqHead] = head + 1;
      if (kind === USER_DATA.kindInternal) continue;
      const entry = this.slots.get(slot);
      if (entry === undefined) throw new Error(`completion for unknown slot ${slot}`);
      if (!(flags & RING.CQE_MORE)) this.slots.delete(slot);
      entry.done?.(res, flags);
      if (this.ring.rings.byteLength === 0) return;
    }
  }

  /** A group of `count` receive buffers of `size` bytes, all provided. */
  group(id, count, size) {
    const ring = this.alloc(Math.max(count * 16, 4096), 4096);
    const buffers = this.alloc(count * size, 4096);
    const result = this.ring.registerBuffers(id, ring, count);
    if (result !== 0) throw new Error(`registerBuffers: ${result}`);
    const view = new DataView(this.memory.buffer);
    const group = { id, count, size, ring, buffers, tail: 0, view };
    this.groups.set(id, group);
    for (let bid = 0; bid < count; bid++) this.provide(group, bid);
    return group;
  }

  provide(group, bid) {
    const entry = group.ring + (group.tail & (group.count - 1)) * 16;
    group.view.setBigUint64(entry, this.base + BigInt(group.buffers + bid * group.size), true);
    group.view.setUint32(entry + 8, group.size, true);
    group.view.setUint16(entry + 12, bid, true);
    group.tail = (group.tail + 1) & 0xffff;
    group.view.setUint16(group.ring + 14, group.tail, true);
  }

  bytes(group, bid, length) {
    const offset = group.buffers + bid * group.size;
    return this.arena.subarray(offset, offset + length);
  }

  /** Multishot receive; `on(res, bytes, more)` — the buffer is given back afterwards unless it returns true. */
  recv(fd, group, on) {
    return this.push(
      OP.RECV,
      { fd, flags: RING.SQE_BUFFER_SELECT, ioprio: RING.RECV_MULTISHOT, group: group.id },
      (res, flags) => {
        const bid = flags >>> RING.BUFFER_SHIFT;
        const has = (flags & RING.CQE_BUFFER) !== 0;
        const kept = on(res, has ? this.bytes(group, bid, res) : undefined, (flags & RING.CQE_MORE) !== 0, bid);
        if (has && kept !== true) this.provide(group, bid);
      },
    );
  }

  send(fd, data, { opFlags = constants.MSG_NOSIGNAL | constants.MSG_WAITALL } = {}) {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    const offset = this.alloc(bytes.length);
    this.arena.set(bytes, offset);
    return this.once(OP.SEND, { fd, addr: offset, len: bytes.length, opFlags });
  }

  accept(fd, on) {
    return this.push(
      OP.ACCEPT,
      { fd, ioprio: RING.ACCEPT_MULTISHOT, opFlags: constants.SOCK_CLOEXEC | constants.SOCK_NONBLOCK },
      (res, flags) => on(res, (flags & RING.CQE_MORE) !== 0),
    );
  }

  closeFd(fd) {
    // Queued first: a worker terminated in between then finds the CLOSE in the queue, or the number still in the table.
    const closed = this.once(OP.CLOSE, { fd });
    this.descriptors[fd] = DESCRIPTOR.none;
    return closed;
  }

  cancelFd(fd) {
    return this.once(OP.ASYNC_CANCEL, { fd, opFlags: RING.CANCEL_FD | RING.CANCEL_ALL });
  }

  listener(backlog = 128) {
    const fd = listenLoopback(backlog);
    this.descriptors[fd] = DESCRIPTOR.other;
    return { fd, port: portOf(fd) };
  }

  close() {
    this.ring.close();
  }
}

export const loopback = (port) => {
  const address = new Uint8Array(16);
  const view = new DataView(address.buffer);
  view.setUint16(0, constants.AF_INET, true);
  view.setUint16(2, port);
  address.set([127, 0, 0, 1], 4);
  return address;
};

export const listenLoopback = (backlog = 128, port = 0) => {
  const fd = must(socket(constants.AF_INET, constants.SOCK_STREAM, 0));
  must(setsockoptInt(fd, constants.SOL_SOCKET, constants.SO_REUSEADDR, 1));
  must(setsockoptInt(fd, constants.IPPROTO_TCP, constants.TCP_NODELAY, 1));
  must(bind(fd, loopback(port)));
  must(listen(fd, backlog));
  return fd;
};

export const portOf = (fd) => {
  const name = getsockname(fd);
  return (name[2] << 8) | name[3];
};

export const must = (result) => {
  if (result < 0) throw new Error(`errno ${-result}`);
  return result;
};

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
