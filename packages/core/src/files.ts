// files.ts — files by the ring: open, statx, read, write, fsync, close. Bytes are rented: a lease goes along and comes back.
import { constants } from "@percore/native";
import { assert } from "./assert.ts";
import { CoreError, SystemError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import { prepCancel } from "./op/cancel.ts";
import { prepFsync, prepOpen, prepRead, prepStatx, prepWrite } from "./op/file.ts";
import { KIND_CLOSE, KIND_FSYNC, KIND_OPEN, KIND_READ, KIND_STATX, KIND_WRITE } from "./op/kinds.ts";
import { currentRuntime, type Runtime } from "./runtime.ts";
import type { RingOwner } from "./slots.ts";
import { STAT } from "./stats.ts";

export interface FileOperationOptions {
  /** Gives up: the promise rejects with the signal's reason, once the kernel has let go of the lease. */
  readonly signal?: AbortSignal;
}

export interface OpenOptions extends FileOperationOptions {
  /** O_* bits of node:fs constants. Default O_RDONLY. Always close-on-exec. */
  readonly flags?: number;
  /** Permission bits of a file that is created. Default 0o666, less the umask. */
  readonly mode?: number;
  readonly runtime?: Runtime;
}

export interface FileStat {
  readonly size: number;
  /** st_mode: type and permission bits. */
  readonly mode: number;
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  /** Decimal: inode numbers pass 2^53 on some file systems. */
  readonly inode: string;
  /** Last change of the contents, milliseconds since 1970 with a fraction. */
  readonly mtimeMs: number;
}

const PATH_BYTES_MAX = 4095;
const PATH_RECORD_BYTES: number = PATH_BYTES_MAX + 1;
const STATX_BYTES = 256;
const STATX_MODE = 28;
const STATX_INODE = 32;
const STATX_SIZE = 40;
const STATX_MTIME = 112;
const MODE_TYPE = 0o170000;
const MODE_FILE = 0o100000;
const MODE_DIRECTORY = 0o040000;

/** An open file. Operations name their position, so several may be under way at once. */
export class File {
  /** The descriptor, e.g. for Stream.sendFile. */
  readonly fd: number;
  readonly #runtime: Runtime;
  #open = true;

  private constructor(runtime: Runtime, fd: number) {
    this.#runtime = runtime;
    this.fd = fd;
    runtime.descriptors.ownOther(fd);
    runtime.counters.values[STAT.files] += 1;
  }

  /** @throws {SystemError} ENOENT, EACCES, …; {CoreError} ERR_ADDRESS_INVALID for a path that cannot be one. */
  static async open(path: string, options: OpenOptions = {}): Promise<File> {
    const runtime = options.runtime ?? currentRuntime();
    const encoded = new TextEncoder().encode(path);
    if (encoded.length === 0 || encoded.length > PATH_BYTES_MAX || encoded.includes(0)) {
      throw new CoreError("ERR_ADDRESS_INVALID", `a path has 1..${PATH_BYTES_MAX} bytes and no NUL`);
    }
    const operation = new FileOperation(runtime, "open", KIND_OPEN, options.signal);
    const record = runtime.arena.allocRecord(PATH_RECORD_BYTES);
    runtime.arena.u8.set(encoded, record);
    try {
      prepOpen(runtime.ring, operation, record, options.flags ?? constants.O_RDONLY, options.mode ?? 0o666);
      return new File(runtime, await operation.result);
    } catch (error) {
      if (operation.lateDescriptor >= 0) runtime.descriptors.closeNow(operation.lateDescriptor);
      throw error;
    } finally {
      runtime.arena.freeRecord(record, PATH_RECORD_BYTES);
    }
  }

  async stat(options: FileOperationOptions = {}): Promise<FileStat> {
    this.#check();
    const { arena, ring } = this.#runtime;
    const record = arena.allocRecord(STATX_BYTES + 8);
    try {
      const operation = new FileOperation(this.#runtime, "statx", KIND_STATX, options.signal);
      // The record is zeroed: its last bytes are the empty path that stands for the descriptor itself.
      prepStatx(ring, operation, this.fd, record + STATX_BYTES, record);
      await operation.result;
      return readStatx(new DataView(arena.memory.buffer, record, STATX_BYTES));
    } finally {
      arena.freeRecord(record, STATX_BYTES + 8);
    }
  }

  /**
   * Reads into the lease, at most its length. The lease is the kernel's until the promise settles, then the caller's again.
   * @returns bytes read; 0 at the end of the file.
   */
  async read(lease: Lease, position: number, options: FileOperationOptions = {}): Promise<number> {
    this.#check();
    assert(!lease.released, "read into a lease after its release");
    const operation = new FileOperation(this.#runtime, "read", KIND_READ, options.signal);
    prepRead(this.#runtime.ring, operation, this.fd, position, lease.offset, lease.length);
    return operation.result;
  }

  /** Writes the lease's range. Bytes written may be fewer. The lease is the caller's again when the promise settles. */
  async write(lease: Lease, position: number, options: FileOperationOptions = {}): Promise<number> {
    this.#check();
    assert(!lease.released, "write from a lease after its release");
    const operation = new FileOperation(this.#runtime, "write", KIND_WRITE, options.signal);
    prepWrite(this.#runtime.ring, operation, this.fd, position, lease.offset, lease.length);
    return operation.result;
  }

  /** Makes what was written durable; `dataOnly` is fdatasync(2). */
  async sync(options: FileOperationOptions & { readonly dataOnly?: boolean } = {}): Promise<void> {
    this.#check();
    const operation = new FileOperation(this.#runtime, "fsync", KIND_FSYNC, options.signal);
    prepFsync(this.#runtime.ring, operation, this.fd, options.dataOnly === true);
    await operation.result;
  }

  /** Closes it. Other operations must have settled. Closing again does nothing. */
  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#runtime.counters.values[STAT.files] -= 1;
    const operation = new FileOperation(this.#runtime, "close", KIND_CLOSE, undefined);
    this.#runtime.descriptors.close(operation, this.fd);
    await operation.result;
  }

  #check(): void {
    if (!this.#open) throw new CoreError("ERR_STREAM_CLOSED", "the file was closed");
  }
}

/** One operation that waits for its final completion. Rejects only then: until it, the kernel may still use the lease. */
class FileOperation implements RingOwner {
  slot = -1;
  tag = 0;
  readonly result: Promise<number>;
  /** A descriptor that an open delivered although it had been given up. */
  lateDescriptor = -1;
  readonly #runtime: Runtime;
  readonly #syscall: string;
  readonly #kind: number;
  readonly #signal: AbortSignal | undefined;
  #inflight = 1;
  #answer = 0;
  #resolve: (result: number) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(runtime: Runtime, syscall: string, kind: number, signal: AbortSignal | undefined) {
    signal?.throwIfAborted();
    this.#runtime = runtime;
    this.#syscall = syscall;
    this.#kind = kind;
    this.#signal = signal;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    runtime.ring.slots.add(this);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  complete(kind: number, result: number): void {
    this.#inflight -= 1;
    if (kind === this.#kind) this.#answer = result;
    if (this.#inflight > 0) return;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#runtime.ring.slots.remove(this);
    if (this.#signal?.aborted === true) {
      if (this.#kind === KIND_OPEN && this.#answer >= 0) this.lateDescriptor = this.#answer;
      this.#reject(this.#signal.reason);
    } else if (this.#answer < 0) {
      this.#reject(new SystemError(this.#syscall, -this.#answer));
    } else {
      this.#resolve(this.#answer);
    }
  }

  crash(error: unknown): void {
    this.#reject(error);
  }

  readonly #onAbort = (): void => {
    this.#inflight += 1;
    prepCancel(this.#runtime.ring, this, this.#kind);
  };
}

const readStatx = (view: DataView): FileStat => {
  const mode = view.getUint16(STATX_MODE, true);
  const seconds = Number(view.getBigInt64(STATX_MTIME, true));
  return {
    size: Number(view.getBigUint64(STATX_SIZE, true)),
    mode,
    isFile: (mode & MODE_TYPE) === MODE_FILE,
    isDirectory: (mode & MODE_TYPE) === MODE_DIRECTORY,
    inode: view.getBigUint64(STATX_INODE, true).toString(),
    mtimeMs: seconds * 1000 + view.getUint32(STATX_MTIME + 8, true) / 1e6,
  };
};
