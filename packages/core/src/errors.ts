// errors.ts — every code of this package with its meaning, and the classes that carry them.
import { getSystemErrorName } from "node:util";

/** Codes of operating errors. Decide by `code`; the message is for people and may change. */
export const CORE_ERRORS = {
  ERR_ARENA_EXHAUSTED: "Every block of the thread's arena is in use.",
  ERR_ARENA_PRESSURE:
    "The arena was three quarters full, and this stream held more of it back than its share: it was reset.",
  ERR_ADDRESS_INVALID: "An address, port or path cannot be used.",
  ERR_CONNECT_TIMEOUT: "No connection was made within connectTimeoutMs.",
  ERR_DESCRIPTOR_INVALID: "A descriptor given to be adopted is not a listening socket.",
  ERR_DRIVER_UNAVAILABLE: "The driver that was asked for by name cannot run here.",
  ERR_FILE_SHORT: "A file ended before the range that was to be sent.",
  ERR_HANDLER_THREW: "The stream's owner threw; the stream was reset.",
  ERR_MEMLOCK_LIMIT: "The rings need more locked memory than RLIMIT_MEMLOCK allows.",
  ERR_OPTION_INVALID: "An option has a value outside its range.",
  ERR_PROXY_HEADER: "A connection's PROXY protocol header is malformed, missing, late, or from an untrusted peer.",
  ERR_RUNTIME_CLOSED: "The thread's runtime has been closed.",
  ERR_RUNTIME_EXISTS: "This thread has a runtime already (or a second copy of @percore/core was loaded).",
  ERR_STREAM_ABANDONED: "The stream was reset by its own side.",
  ERR_STREAM_CLOSED: "The stream had closed before the operation.",
  ERR_PRIVILEGES: "Privileges could not be dropped, or were not in time.",
  ERR_WORKER_ENTRY: "Workers cannot run the program's main module; an entry is needed, or the one given does not do.",
  ERR_WORKER_FAILED: "A worker failed before it was up, so the program cannot start.",
} as const;

export type CoreErrorCode = keyof typeof CORE_ERRORS;

/** Base of all operating errors: `code` is API, `message` is not. */
export class CodedError<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** An operating error that this package found itself. */
export class CoreError extends CodedError<CoreErrorCode> {}

/** A system call or ring operation failed. `code` is the errno's name (`ECONNRESET`, `EPIPE`, …). */
export class SystemError extends CodedError<string> {
  /** Positive. */
  readonly errno: number;
  /** The operation, by its syscall's name. */
  readonly syscall: string;

  constructor(syscall: string, errno: number, detail = "") {
    const code = errnoName(errno);
    super(code, detail === "" ? `${syscall}: ${code}` : `${syscall}: ${code}, ${detail}`);
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** Name of a positive errno: 104 → "ECONNRESET". */
export const errnoName = (errno: number): string => {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `E${errno}`;
  }
};
