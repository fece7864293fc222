// send.ts — one range, or several by a msghdr that lies in the arena.
import { OP } from "@percore/native";
import type { Arena } from "../arena.ts";
import type { Ring } from "../ring.ts";
import type { RingOwner } from "../slots.ts";
import { KIND_SEND } from "./kinds.ts";

/** struct msghdr on 64-bit Linux: name, namelen, iov, iovlen, control, controllen, flags. */
const MSGHDR_BYTES = 56;
const MSGHDR_IOV_WORD = 4;
const MSGHDR_IOVLEN_WORD = 6;
const IOVEC_BYTES = 16;

/** Ranges in one send. Sixteen of the largest blocks are a mebibyte, more than a socket takes at once. */
export const SEND_PARTS_MAX = 16;
/** A record for `prepSendMsg`: the header and its ranges. */
export const SEND_RECORD_BYTES: number = 64 + SEND_PARTS_MAX * IOVEC_BYTES;

/** Sends `length` bytes from arena offset `offset`. The range belongs to the kernel until the completion. */
export const prepSend = (
  ring: Ring,
  owner: RingOwner,
  fd: number,
  offset: number,
  length: number,
  flags: number,
): void => {
  const at = ring.prepare(OP.SEND, fd, owner, KIND_SEND);
  ring.putAddress(at + 4, offset);
  ring.sqes[at + 6] = length;
  ring.sqes[at + 7] = flags;
};

/** Writes range `part` (0..SEND_PARTS_MAX-1) into a record. */
export const putPart = (
  ring: Ring,
  arena: Arena,
  record: number,
  part: number,
  offset: number,
  length: number,
): void => {
  const word = (record + 64 + part * IOVEC_BYTES) >>> 2;
  ring.putAddressInArena(arena, word, offset);
  arena.i32[word + 2] = length;
  arena.i32[word + 3] = 0;
};

/** Sends the first `parts` ranges of a record. The record is the kernel's too until the completion. */
export const prepSendMsg = (
  ring: Ring,
  arena: Arena,
  owner: RingOwner,
  fd: number,
  record: number,
  parts: number,
  flags: number,
): void => {
  const word = record >>> 2;
  arena.i32.fill(0, word, word + (MSGHDR_BYTES >>> 2));
  ring.putAddressInArena(arena, word + MSGHDR_IOV_WORD, record + 64);
  arena.i32[word + MSGHDR_IOVLEN_WORD] = parts;
  const at = ring.prepare(OP.SENDMSG, fd, owner, KIND_SEND);
  ring.putAddress(at + 4, record);
  ring.sqes[at + 6] = 1;
  ring.sqes[at + 7] = flags;
};
