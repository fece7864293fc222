// @percore/native — rings, readiness and the system calls the transport needs. Linux only; no policy.
//
// Both drivers speak the kernel's io_uring ABI: JavaScript writes 64-byte submissions (SQEs) and reads 16-byte
// completions (CQEs) through typed arrays over the ring's memory. See README.md, "The ABI".

export type DriverKind = "uring" | "poll";

export interface RingOptions {
  readonly kind: DriverKind;
  /** Submission slots, a power of two (rounded up), 1..32768. */
  readonly sqEntries: number;
  /** Completion slots, a power of two (rounded up), at least sqEntries. */
  readonly cqEntries: number;
  /**
   * Entries of all buffer groups that are to be registered, 1..32768 (default 1). Opening tries them once, so that a
   * limit on locked memory that is too small for them is told here and not by the first `registerBuffers`.
   */
  readonly bufferEntries?: number;
  /** `WebAssembly.Memory.buffer` (initial = maximum) or any ArrayBuffer that is never detached; page aligned. */
  readonly arena: ArrayBuffer;
}

/** Why a ring could not be opened. Nothing is left behind. */
export interface RingFailure {
  /**
   * setup: io_uring_setup refused. mmap: the rings could not be mapped. register: io_uring_register refused (ring
   * descriptor, probe, provided buffers). probe: the kernel lacks something required. epoll: the poll driver's set.
   */
  readonly step: "setup" | "mmap" | "register" | "probe" | "epoll";
  /** Positive errno; 0 when a step succeeded but its answer was not enough. */
  readonly errno: number;
  /** One sentence for an operator, with the numbers needed (locked memory) where they matter. */
  readonly detail: string;
  /** Bytes of locked memory the ring wants, when errno is ENOMEM; otherwise 0. */
  readonly memlockNeeded: number;
}

/**
 * Indices into `NativeRing.layout`. Entries 0..7 are byte offsets into `rings`; the others are figures.
 * Heads, tails and flags are u32; compare them with `| 0` or `>>> 0` arithmetic: they wrap.
 */
export declare const LAYOUT: {
  readonly sqHead: 0;
  /** Publish by storing tail + 1 after the SQE is complete. Native appends its own SQEs while it enters: read the tail from memory each time, never keep a copy over a call into native or over the end of a callback. */
  readonly sqTail: 1;
  /** Bit 1 (value 2): completions wait outside the ring (overflow); the next enter brings them. */
  readonly sqFlags: 2;
  readonly sqDropped: 3;
  /** Read head and tail from memory when a batch begins: native consumes its own completions itself. */
  readonly cqHead: 4;
  readonly cqTail: 5;
  readonly cqOverflow: 6;
  /** First CQE: 16 bytes each, slot = index & cqMask. */
  readonly cqes: 7;
  readonly sqEntries: 8;
  readonly sqMask: 9;
  readonly cqEntries: 10;
  readonly cqMask: 11;
  /** Address of the arena's first byte. addr = base + offset, with carry from the low to the high word. */
  readonly arenaLow: 12;
  readonly arenaHigh: 13;
  readonly length: 14;
};

/**
 * user_data: word 8 is free (slot), word 9 = generation << 8 | kind.
 * - kind 0xff is native's own: skip such a completion (it may stand anywhere in a batch).
 * - kind with bit 7 set (0x80..0xfe): a result >= 0 of it IS A DESCRIPTOR (accept, openat). Teardown closes descriptors in
 *   completions that nobody reaped, and knows them only by this bit. So: every ACCEPT and OPENAT must carry it.
 */
export declare const USER_DATA: { readonly kindInternal: 0xff; readonly kindDescriptorBit: 0x80 };

/** Values of `NativeRing.descriptors[fd]`. */
export declare const DESCRIPTOR: {
  readonly none: 0;
  /** A stream: teardown resets it (SO_LINGER 0), so that its peer sees a reset at once. */
  readonly stream: 1;
  /** A listener, file or other: teardown closes it. */
  readonly other: 2;
};

/** Indices into the array `counters()` returns. */
export declare const COUNTERS: {
  /** Calls of io_uring_enter or epoll_wait. */
  readonly enters: 0;
  /** Of these, with leave to sleep. */
  readonly waits: 1;
  /** Submissions handed over, native's own included. */
  readonly submitted: 2;
  /** Completions posted, native's own included. */
  readonly completions: 3;
  /** Enters that found the completion ring full. */
  readonly overflows: 4;
  /** Turns of libuv's loop. */
  readonly turns: 5;
  /** Calls of onBatch. */
  readonly batches: 6;
  /** Submitted operations without a final completion yet. */
  readonly inflight: 7;
  readonly length: 8;
};

export interface NativeRing {
  readonly kind: DriverKind;
  /** SQ and CQ ring memory. Detached by close(). */
  readonly rings: ArrayBuffer;
  /** sqEntries × 64 bytes; slot = index & sqMask. Words not used by an operation must be 0. */
  readonly sqes: ArrayBuffer;
  /**
   * One byte per descriptor number (DESCRIPTOR.*). Set it as soon as a descriptor is yours, before the head moves past the
   * completion that brought it. Clear it right after the CLOSE is *queued*, or right before a synchronous close: a worker may be
   * terminated between any two statements, and teardown carries out CLOSEs that were queued and not submitted.
   */
  readonly descriptors: ArrayBuffer;
  readonly layout: Int32Array;
  readonly setupFlags: number;
  readonly features: number;
  /** Whether the driver executes the operation (OP.*). */
  supports(op: number): boolean;
  /**
   * Registers a provided-buffer ring that lies in the arena: entries × 16 bytes at a page-aligned offset, entries a power of
   * two <= 32768; entry = { addr u64, len u32, bid u16, resv u16 }, tail = u16 at byte 14 of entry 0.
   * The tail is reset to 0 here. Returns 0 or -errno.
   */
  registerBuffers(group: number, arenaOffset: number, entries: number): number;
  /** Returns 0 or -errno. Cancel the receives of the group first. */
  unregisterBuffers(group: number): number;
  /**
   * Begins the loop: submits and waits in every turn, and calls onBatch when there are completions. It may leave
   * some in the ring (head < tail): it is called again, after libuv had a turn if it needs one. What it throws becomes an
   * uncaughtException. The ring keeps the loop alive from here on, unless unref() was called.
   */
  start(onBatch: () => void): void;
  /** Hands over what is queued now, without waiting. Number taken, or -errno. For a full submission ring. */
  submit(): number;
  ref(): void;
  unref(): void;
  /**
   * Cancels what is in flight, reaps it, resets or closes every descriptor in the table, unmaps; the buffers are detached.
   * Idempotent. Within onBatch it takes effect when onBatch returns.
   */
  close(): void;
  /** A snapshot, indexed by COUNTERS. */
  counters(): Float64Array;
}

/** Opens a ring that belongs to the calling thread. Throws TypeError or RangeError for wrong arguments only. */
export declare function openRing(options: RingOptions): NativeRing | RingFailure;

// Synchronous system calls. They return a value >= 0 or -errno, and throw a TypeError for wrong argument types only.

/** Always CLOEXEC and NONBLOCK. */
export declare function socket(domain: number, type: number, protocol: number): number;
/** Both ends CLOEXEC and NONBLOCK. For tests and wake-ups. */
export declare function socketpair(type: number): [number, number] | number;
/** Raw sockaddr bytes. */
export declare function bind(fd: number, address: Uint8Array): number;
export declare function listen(fd: number, backlog: number): number;
export declare function getsockname(fd: number): Uint8Array | number;
export declare function getpeername(fd: number): Uint8Array | number;
export declare function setsockoptInt(fd: number, level: number, name: number, value: number): number;
/** The value may be negative, hence the object; a number is -errno. */
export declare function getsockoptInt(fd: number, level: number, name: number): { value: number } | number;
/** SO_LINGER on with this many seconds; 0 = the next close resets the connection. -1 = off. */
export declare function setLinger(fd: number, seconds: number): number;
/** Non-blocking sendfile(2): bytes sent (0 at the end of the file) or -errno (-EAGAIN: wait for POLLOUT). */
export declare function sendfile(out: number, input: number, offset: number, length: number): number;
export declare function shutdown(fd: number, how: number): number;
/** Closes at once and drops what the poll driver knows of the descriptor. */
export declare function close(fd: number): number;
/** A CLOEXEC copy. */
export declare function duplicate(fd: number): number;
/** fcntl(F_GETFL). */
export declare function getFlags(fd: number): number;
export declare function setNonblock(fd: number, on: boolean): number;
export declare function setCloexec(fd: number, on: boolean): number;
/** SO_PEERCRED of a Unix stream. */
export declare function peercred(fd: number): { pid: number; uid: number; gid: number } | number;
/** Connections waiting in a listening TCP socket's queue, and its limit. */
export declare function acceptQueue(fd: number): { length: number; max: number } | number;
/** Of the calling thread. */
export declare function setAffinity(cpus: readonly number[]): number;
export declare function getAffinity(): number[] | number;
export declare function getCpu(): number;
export declare function gettid(): number;
/** Groups, then gid, then uid, of the whole process. Returns 0 or the first -errno. */
export declare function setPrivileges(uid: number, gid: number, groups: readonly number[]): number;
/** Infinity where there is no limit. */
export declare function rlimit(which: "memlock" | "nofile"): { soft: number; hard: number };

export interface RingProbe {
  /** errno of a plain io_uring_setup(1, {}); 0 = the kernel lets us. */
  readonly setup: number;
  /** errno of io_uring_enter and io_uring_register on that ring; 0 = fine, -1 = not reached. */
  readonly enter: number;
  readonly register: number;
  readonly features: number;
  /** Setup flag name → errno (0 = accepted), each tried with the flags it depends on. */
  readonly setupFlags: Readonly<Record<string, number>>;
  /** Operation name → supported. */
  readonly operations: Readonly<Record<string, boolean>>;
  /** Highest operation number the kernel knows, or -1. */
  readonly lastOperation: number;
  /** Register opcode name → errno (0 = works here). */
  readonly registerOpcodes: Readonly<Record<string, number>>;
  /** A whole multishot receive with provided buffers over a socketpair: errno, or 0; -1 = not reached. */
  readonly multishotReceive: number;
  /** Bytes of locked memory of a ring with these sizes (4096/8192), as `openRing` would need. */
  readonly memlockNeeded: number;
}
/** Tries every setup flag, operation and register opcode that Percore can use. For `percore doctor`; takes about a millisecond. */
export declare function probeRing(): RingProbe;

/**
 * io_uring operation numbers that both drivers execute. For both:
 * - one SEND or SENDMSG in flight per socket: the kernel keeps no order between two;
 * - memory that an operation points to (data, msghdr, iovecs, addresses, paths) stays as it is until its final completion;
 * - cancel what is in flight on a descriptor before its CLOSE: the kernel keeps a socket open until its operations end
 *   (the poll driver ends them with -ECANCELED and closes).
 */
export declare const OP: {
  readonly NOP: 0;
  readonly FSYNC: 3;
  readonly POLL_ADD: 6;
  readonly SENDMSG: 9;
  readonly ACCEPT: 13;
  readonly ASYNC_CANCEL: 14;
  readonly CONNECT: 16;
  readonly OPENAT: 18;
  readonly CLOSE: 19;
  readonly STATX: 21;
  readonly READ: 22;
  readonly WRITE: 23;
  readonly SEND: 26;
  readonly RECV: 27;
  readonly SHUTDOWN: 34;
  readonly UNLINKAT: 36;
};

/** Flags of SQEs and CQEs. */
export declare const RING: {
  /** SQE flags (byte 1). Do not use CQE_SKIP_SUCCESS: the drivers count final completions. */
  readonly SQE_IO_LINK: 4;
  readonly SQE_ASYNC: 16;
  readonly SQE_BUFFER_SELECT: 32;
  /** ioprio of ACCEPT and RECV. */
  readonly ACCEPT_MULTISHOT: 1;
  readonly RECV_POLL_FIRST: 1;
  readonly RECV_MULTISHOT: 2;
  /** Word 7 of ASYNC_CANCEL. */
  readonly CANCEL_ALL: 1;
  readonly CANCEL_FD: 2;
  readonly CANCEL_ANY: 4;
  /** CQE flags; the buffer id is flags >>> BUFFER_SHIFT. */
  readonly CQE_BUFFER: 1;
  readonly CQE_MORE: 2;
  readonly BUFFER_SHIFT: 16;
  readonly SQ_CQ_OVERFLOW: 2;
};

/** Numbers of the platform: address families, socket options, flags. */
export declare const constants: {
  readonly [Name in
    | "AF_UNIX"
    | "AF_INET"
    | "AF_INET6"
    | "SOCK_STREAM"
    | "SOCK_DGRAM"
    | "SOCK_NONBLOCK"
    | "SOCK_CLOEXEC"
    | "IPPROTO_TCP"
    | "IPPROTO_IPV6"
    | "SOL_SOCKET"
    | "SO_REUSEADDR"
    | "SO_REUSEPORT"
    | "SO_KEEPALIVE"
    | "SO_ERROR"
    | "SO_TYPE"
    | "SO_DOMAIN"
    | "SO_PROTOCOL"
    | "SO_ACCEPTCONN"
    | "SO_SNDBUF"
    | "SO_RCVBUF"
    | "SO_INCOMING_CPU"
    | "SO_PASSCRED"
    | "SO_BUSY_POLL"
    | "TCP_NODELAY"
    | "TCP_CORK"
    | "TCP_KEEPIDLE"
    | "TCP_KEEPINTVL"
    | "TCP_KEEPCNT"
    | "TCP_DEFER_ACCEPT"
    | "TCP_QUICKACK"
    | "TCP_USER_TIMEOUT"
    | "TCP_FASTOPEN"
    | "TCP_NOTSENT_LOWAT"
    | "IPV6_V6ONLY"
    | "SHUT_RD"
    | "SHUT_WR"
    | "SHUT_RDWR"
    | "SOMAXCONN"
    | "MSG_NOSIGNAL"
    | "MSG_WAITALL"
    | "MSG_MORE"
    | "MSG_DONTWAIT"
    | "MSG_PEEK"
    | "POLLIN"
    | "POLLOUT"
    | "POLLERR"
    | "POLLHUP"
    | "POLLRDHUP"
    | "POLLPRI"
    | "AT_FDCWD"
    | "AT_EMPTY_PATH"
    | "AT_SYMLINK_NOFOLLOW"
    | "O_RDONLY"
    | "O_WRONLY"
    | "O_RDWR"
    | "O_CREAT"
    | "O_EXCL"
    | "O_TRUNC"
    | "O_APPEND"
    | "O_CLOEXEC"
    | "O_DIRECTORY"
    | "O_NOFOLLOW"
    | "O_NONBLOCK"
    | "O_DIRECT"
    | "STATX_BASIC_STATS"
    | "STATX_SIZE"
    | "STATX_MTIME"
    | "STATX_INO"
    | "STATX_TYPE"
    | "IORING_FSYNC_DATASYNC"]: number;
};

/** errno name → number, as the platform defines them (ECONNRESET, EAGAIN, ...). */
export declare const errno: {
  readonly [Name in
    | "EPERM"
    | "ENOENT"
    | "EINTR"
    | "EIO"
    | "EBADF"
    | "EAGAIN"
    | "ENOMEM"
    | "EACCES"
    | "EFAULT"
    | "EBUSY"
    | "EEXIST"
    | "ENODEV"
    | "ENOTDIR"
    | "EISDIR"
    | "EINVAL"
    | "ENFILE"
    | "EMFILE"
    | "EFBIG"
    | "ENOSPC"
    | "ESPIPE"
    | "EROFS"
    | "EPIPE"
    | "ENAMETOOLONG"
    | "ENOSYS"
    | "ELOOP"
    | "ETIME"
    | "EOVERFLOW"
    | "EBADFD"
    | "ENOTSOCK"
    | "EDESTADDRREQ"
    | "EMSGSIZE"
    | "EPROTO"
    | "EPROTONOSUPPORT"
    | "EOPNOTSUPP"
    | "EAFNOSUPPORT"
    | "EADDRINUSE"
    | "EADDRNOTAVAIL"
    | "ENETDOWN"
    | "ENETUNREACH"
    | "ECONNABORTED"
    | "ECONNRESET"
    | "ENOBUFS"
    | "EISCONN"
    | "ENOTCONN"
    | "ETIMEDOUT"
    | "ECONNREFUSED"
    | "EHOSTDOWN"
    | "EHOSTUNREACH"
    | "EALREADY"
    | "EINPROGRESS"
    | "ECANCELED"
    | "EBADR"]: number;
};
