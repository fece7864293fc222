// recv.ts — receives into a buffer that the kernel chooses from a group: multishot, armed once, or one at a time.
import { OP, RING } from "@percore/native";
import type { Ring } from "../ring.ts";
import type { RingOwner } from "../slots.ts";
import { KIND_RECV } from "./kinds.ts";

const HEAD_ONE: number = OP.RECV | (RING.SQE_BUFFER_SELECT << 8);
const HEAD_MULTISHOT: number = HEAD_ONE | (RING.RECV_MULTISHOT << 16);

/** One buffer's receive. */
export const prepRecvOne = (ring: Ring, owner: RingOwner, fd: number, group: number): void => {
  const at = ring.prepare(HEAD_ONE, fd, owner, KIND_RECV);
  ring.sqes[at + 10] = group;
};

/** @param cap bytes after which it ends; 0 = none. A kernel before 6.17 refuses a cap with EINVAL. */
export const prepRecvMultishot = (ring: Ring, owner: RingOwner, fd: number, group: number, cap: number): void => {
  const at = ring.prepare(HEAD_MULTISHOT, fd, owner, KIND_RECV);
  ring.sqes[at + 10] = group;
  ring.sqes[at + 11] = cap;
};

/** Did the completion bring a buffer? */
export const hasBuffer = (flags: number): boolean => (flags & RING.CQE_BUFFER) !== 0;
/** Which one. */
export const bufferId = (flags: number): number => flags >>> RING.BUFFER_SHIFT;
