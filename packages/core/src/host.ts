// host.ts — what this machine lets the transport do, for tools that explain it. Nothing here is on a hot path.
import {
  type DriverKind,
  getAffinity,
  openRing,
  probeRing,
  type RingFailure,
  type RingProbe,
  rlimit,
} from "@percore/native";

export type { DriverKind, RingFailure, RingProbe } from "@percore/native";

/** One 64 KiB page: the smallest arena there is. */
const TRIAL_ARENA_PAGES = 1;
/** The sizes that a runtime asks for, so that a trial meets the same limits. */
const TRIAL_SQ_ENTRIES = 4096;
const TRIAL_CQ_ENTRIES = 8192;

export interface ResourceLimit {
  readonly soft: number;
  readonly hard: number;
}

export interface HostReport {
  /** Every setup flag, operation and register opcode, each with its errno. */
  readonly probe: RingProbe;
  /** What opening a ring of full size came to, for each driver; undefined = it works. */
  readonly trials: Readonly<Record<DriverKind, RingFailure | undefined>>;
  /** Bytes of memory that may be locked. Infinity where there is no limit. */
  readonly memlock: ResourceLimit;
  /** Open descriptors. */
  readonly nofile: ResourceLimit;
  /** Processors that the calling thread may run on, or undefined where the system does not say. */
  readonly affinity: readonly number[] | undefined;
}

const tryDriver = (kind: DriverKind): RingFailure | undefined => {
  const arena = new WebAssembly.Memory({ initial: TRIAL_ARENA_PAGES, maximum: TRIAL_ARENA_PAGES }).buffer;
  const ring = openRing({ kind, sqEntries: TRIAL_SQ_ENTRIES, cqEntries: TRIAL_CQ_ENTRIES, arena });
  if ("step" in ring) return ring;
  ring.close();
  return undefined;
};

/** Tries what a runtime would do on this thread, and undoes it. Takes a few milliseconds. */
export const reportHost = (): HostReport => {
  const affinity = getAffinity();
  return {
    probe: probeRing(),
    trials: { uring: tryDriver("uring"), poll: tryDriver("poll") },
    memlock: rlimit("memlock"),
    nofile: rlimit("nofile"),
    affinity: typeof affinity === "number" ? undefined : affinity,
  };
};
