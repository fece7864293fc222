// line-sink.ts — lines into a file: gathered, written behind the requests' backs, and to a new file when told to reopen.
import { closeSync, openSync, write, writeSync } from "node:fs";

/** Gathered before it is written without waiting for the timer. */
const BATCH_BYTES = 65_536;
/** A line is at most so late. Milliseconds. */
const FLUSH_MS = 1_000;
/** Waiting to be written; beyond it lines are dropped and counted, for a log on a stalled disk must not take the memory. */
export const WAITING_BYTES_MAX = 8 * 1024 * 1024;

/** What opens, writes and closes; the file system's own, but for tests. */
export interface SinkFiles {
  open(path: string): number;
  /** Calls back with the bytes that were written, which may be fewer than given. */
  write(fd: number, text: Buffer, done: (error: Error | null, bytes: number) => void): void;
  writeSync(fd: number, text: Buffer): number;
  close(fd: number): void;
}

const LOG_MODE = 0o640;

const FILES: SinkFiles = {
  // Appending is one step for the kernel: the workers of a process share the file without mixing up their lines.
  open: (path) => openSync(path, "a", LOG_MODE),
  write: (fd, text, done) => write(fd, text, (error, bytes) => done(error, bytes)),
  writeSync: (fd, text) => writeSync(fd, text),
  close: (fd) => closeSync(fd),
};

export class LineSink {
  /** Lines that were dropped since too much was waiting, or could not be written. */
  dropped = 0;
  readonly #path: string | null;
  readonly #files: SinkFiles;
  readonly #failed: (error: Error) => void;
  #fd: number;
  #gathered = "";
  #lines = 0;
  #timer: NodeJS.Timeout | null = null;
  /** What is being written, and how much of it has been. */
  #writing: Buffer | null = null;
  #writingLines = 0;
  #written = 0;
  #reopen = false;
  #closed = false;
  #whenIdle: (() => void)[] = [];

  /**
   * @param path where to; "-" is standard output.
   * @param failed told of each failure to write; the lines are lost, the next ones are tried again.
   * @throws what open(2) gives.
   */
  constructor(path: string, failed: (error: Error) => void, files: SinkFiles = FILES) {
    this.#path = path === "-" ? null : path;
    this.#files = files;
    this.#failed = failed;
    this.#fd = this.#path === null ? 1 : files.open(this.#path);
  }

  /** Bytes (UTF-16 units of what is gathered) that wait. */
  get waiting(): number {
    return this.#gathered.length + (this.#writing === null ? 0 : this.#writing.length - this.#written);
  }

  /** @param line with its line break. */
  write(line: string): void {
    if (this.#closed || this.waiting + line.length > WAITING_BYTES_MAX) {
      this.dropped += 1;
      return;
    }
    this.#gathered += line;
    this.#lines += 1;
    if (this.#gathered.length >= BATCH_BYTES) this.#flush();
    else if (this.#timer === null) this.#timer = setTimeout(() => this.#flush(), FLUSH_MS).unref();
  }

  /** Goes on in a new file of the same name, after what was written before: for whoever has moved the old one away. */
  reopen(): void {
    if (this.#path === null || this.#closed) return;
    this.#reopen = true;
    this.#flush();
    if (this.#writing === null) this.#reopenNow();
  }

  /** Resolves when what is there now has been written. */
  flush(): Promise<void> {
    this.#flush();
    if (this.#writing === null) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** Writes what is left and closes; blocks for it, as the thread is about to end. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    // What is under way is written by whoever has it; the rest must not overtake it.
    if (this.#writing === null) this.#finish();
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#writing !== null || this.#gathered === "") return;
    this.#writing = Buffer.from(this.#gathered);
    this.#writingLines = this.#lines;
    this.#written = 0;
    this.#gathered = "";
    this.#lines = 0;
    this.#continue();
  }

  #continue(): void {
    const rest = (this.#writing as Buffer).subarray(this.#written);
    this.#files.write(this.#fd, rest, (error, bytes) => this.#onWritten(error, bytes));
  }

  #onWritten(error: Error | null, bytes: number): void {
    if (error === null) this.#written += bytes;
    if (error === null && this.#written < (this.#writing as Buffer).length) {
      this.#continue();
      return;
    }
    if (error !== null) {
      // A pipe whose reader is slow: not lost, only late.
      if ((error as NodeJS.ErrnoException).code === "EAGAIN" && !this.#closed) {
        setTimeout(() => this.#continue(), RETRY_MS).unref();
        return;
      }
      this.dropped += this.#writingLines;
      this.#failed(error);
    }
    this.#writing = null;
    if (this.#closed) this.#finish();
    else if (this.#reopen) this.#reopenNow();
    else if (this.#gathered.length >= BATCH_BYTES || this.#whenIdle.length > 0) this.#flush();
    if (this.#writing === null) this.#idle();
  }

  #idle(): void {
    const resolved = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of resolved) resolve();
  }

  #reopenNow(): void {
    this.#reopen = false;
    try {
      const fd = this.#files.open(this.#path as string);
      this.#files.close(this.#fd);
      this.#fd = fd;
    } catch (error) {
      // The old file is better than none.
      this.#failed(error as Error);
    }
    this.#flush();
  }

  #finish(): void {
    const rest = Buffer.from(this.#gathered);
    this.#gathered = "";
    try {
      for (let at = 0; at < rest.length; ) at += this.#files.writeSync(this.#fd, rest.subarray(at));
    } catch (error) {
      this.dropped += this.#lines;
      this.#failed(error as Error);
    }
    if (this.#path !== null) this.#files.close(this.#fd);
  }
}

const RETRY_MS = 50;
