// driver.ts — which driver runs under this thread, and why: probed by opening it, never guessed from a version.
import { type DriverKind, type NativeRing, openRing, type RingFailure, rlimit } from "@percore/native";
import type { Arena } from "./arena.ts";
import { CoreError, errnoName } from "./errors.ts";

/** "auto" takes io_uring where it works and readiness (epoll) where it does not. */
export type DriverOption = "auto" | DriverKind;

export interface DriverOptions {
  /** Default: the environment variable PERCORE_DRIVER, else "auto". */
  readonly driver?: DriverOption;
  /** Submission slots, a power of two. More operations in one turn only cost another system call. */
  readonly sqEntries: number;
  /** Completion slots, a power of two, at least `sqEntries`. */
  readonly cqEntries: number;
  /** Entries of all receive buffer groups: they too must fit into the memory a user may lock. */
  readonly bufferEntries: number;
}

/** What was chosen. `reason` is for people: "io_uring works", "io_uring refused: EPERM at setup …". */
export interface DriverReport {
  readonly kind: DriverKind;
  readonly requested: DriverOption;
  readonly reason: string;
  /** Why io_uring could not be opened, or null when it was, or was not asked for. */
  readonly refusal: RingFailure | null;
}

export interface OpenedDriver {
  readonly native: NativeRing;
  readonly report: DriverReport;
}

const OPTIONS: readonly string[] = ["auto", "uring", "poll"];

/**
 * Opens the ring of this thread.
 * @throws {CoreError} ERR_MEMLOCK_LIMIT or ERR_DRIVER_UNAVAILABLE when the driver asked for by name does not work here;
 *   ERR_OPTION_INVALID for a name that is none.
 */
export const openDriver = (arena: Arena, options: DriverOptions): OpenedDriver => {
  const requested = requestedDriver(options.driver);
  if (requested === "poll") return openPoll(arena, options, requested, "the poll driver was asked for", null);
  const ring = openRing({ ...sizes(options), kind: "uring", arena: arena.memory.buffer });
  if (!("step" in ring)) {
    return { native: ring, report: { kind: "uring", requested, reason: "io_uring works", refusal: null } };
  }
  const refused = refusalError(ring);
  if (requested === "uring") throw refused;
  return openPoll(arena, options, requested, refused.message, ring);
};

const requestedDriver = (option: DriverOption | undefined): DriverOption => {
  const requested = option ?? process.env.PERCORE_DRIVER ?? "auto";
  if (OPTIONS.includes(requested)) return requested as DriverOption;
  const where = option === undefined ? "PERCORE_DRIVER" : "driver";
  throw new CoreError("ERR_OPTION_INVALID", `${where} is "${requested}"; it may be "auto", "uring" or "poll"`);
};

const openPoll = (
  arena: Arena,
  options: DriverOptions,
  requested: DriverOption,
  reason: string,
  refusal: RingFailure | null,
): OpenedDriver => {
  const ring = openRing({ ...sizes(options), kind: "poll", arena: arena.memory.buffer });
  if ("step" in ring) {
    throw new CoreError(
      "ERR_DRIVER_UNAVAILABLE",
      `epoll refused: ${errnoName(ring.errno)} at ${ring.step}: ${ring.detail}`,
    );
  }
  return { native: ring, report: { kind: "poll", requested, reason, refusal } };
};

const sizes = (options: DriverOptions): { sqEntries: number; cqEntries: number; bufferEntries: number } => ({
  sqEntries: options.sqEntries,
  cqEntries: options.cqEntries,
  bufferEntries: options.bufferEntries,
});

/** Says what the kernel refused and what an operator can do about it. */
export const refusalError = (failure: RingFailure): CoreError => {
  const name = failure.errno === 0 ? "incomplete" : errnoName(failure.errno);
  if (name === "ENOMEM") {
    const limit = rlimit("memlock").soft;
    const needed = kib(failure.memlockNeeded);
    const allowed = limit === Number.POSITIVE_INFINITY ? "unlimited" : kib(limit);
    return new CoreError(
      "ERR_MEMLOCK_LIMIT",
      `ERR_MEMLOCK_LIMIT: io_uring needs ${needed} locked, the limit is ${allowed} for all rings of this user ` +
        "(ulimit -l; LimitMEMLOCK= in systemd; --ulimit memlock= for containers)",
    );
  }
  const hint = REFUSAL_HINTS[name];
  const because = hint === undefined ? "" : ` (${hint})`;
  return new CoreError(
    "ERR_DRIVER_UNAVAILABLE",
    `io_uring refused: ${name} at ${failure.step}${because}${failure.detail === "" ? "" : `: ${failure.detail}`}`,
  );
};

const REFUSAL_HINTS: Readonly<Record<string, string>> = {
  EPERM: "a seccomp profile, or sysctl kernel.io_uring_disabled",
  ENOSYS: "a kernel without io_uring, or a seccomp profile",
  EINVAL: "the kernel is older than 6.1",
};

const kib = (bytes: number): string => `${Math.ceil(bytes / 1024)} KiB`;
