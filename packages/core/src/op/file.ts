// file.ts — open, statx, read, write and fsync: what a file needs, each with its arguments where the kernel wants them.
import { constants, OP, RING } from "@percore/native";
import type { Ring } from "../ring.ts";
import type { RingOwner } from "../slots.ts";
import { KIND_FSYNC, KIND_OPEN, KIND_READ, KIND_STATX, KIND_WRITE } from "./kinds.ts";

const HIGH_WORD = 4_294_967_296;

/** Opens the NUL-terminated path at arena offset `path`. Always close-on-exec. Result: a descriptor. */
export const prepOpen = (ring: Ring, owner: RingOwner, path: number, flags: number, mode: number): void => {
  const at = ring.prepare(OP.OPENAT, constants.AT_FDCWD, owner, KIND_OPEN);
  ring.putAddress(at + 4, path);
  ring.sqes[at + 6] = mode;
  ring.sqes[at + 7] = flags | constants.O_CLOEXEC;
};

/** Writes a struct statx to arena offset `into`; `path` names an empty string, so it describes `fd` itself. */
export const prepStatx = (ring: Ring, owner: RingOwner, fd: number, path: number, into: number): void => {
  const at = ring.prepare(OP.STATX, fd, owner, KIND_STATX);
  ring.putAddress(at + 2, into);
  ring.putAddress(at + 4, path);
  ring.sqes[at + 6] = constants.STATX_BASIC_STATS;
  ring.sqes[at + 7] = constants.AT_EMPTY_PATH;
};

/** Reads up to `length` bytes at `position` of the file into arena offset `into`. Result: bytes, 0 at the end. */
export const prepRead = (
  ring: Ring,
  owner: RingOwner,
  fd: number,
  position: number,
  into: number,
  length: number,
): void => {
  const at = ring.prepare(OP.READ, fd, owner, KIND_READ);
  ring.sqes[at + 2] = position;
  ring.sqes[at + 3] = position / HIGH_WORD;
  ring.putAddress(at + 4, into);
  ring.sqes[at + 6] = length;
};

/** Writes `length` bytes from arena offset `from` at `position` of the file. Result: bytes written. */
export const prepWrite = (
  ring: Ring,
  owner: RingOwner,
  fd: number,
  position: number,
  from: number,
  length: number,
): void => {
  const at = ring.prepare(OP.WRITE, fd, owner, KIND_WRITE);
  ring.sqes[at + 2] = position;
  ring.sqes[at + 3] = position / HIGH_WORD;
  ring.putAddress(at + 4, from);
  ring.sqes[at + 6] = length;
};

/** Makes what was written durable; `dataOnly` leaves out metadata that reading does not need. */
export const prepFsync = (ring: Ring, owner: RingOwner, fd: number, dataOnly: boolean): void => {
  const at = ring.prepare(OP.FSYNC | (RING.SQE_ASYNC << 8), fd, owner, KIND_FSYNC);
  ring.sqes[at + 7] = dataOnly ? constants.IORING_FSYNC_DATASYNC : 0;
};
