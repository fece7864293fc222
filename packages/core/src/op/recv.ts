// recv.ts — receives into a buffer that the kernel chooses from a group: multishot, armed once, or one at a time.
import { OP, RING } from "@percore/native";
import type { Ring } from "../ring.ts";
import type { RingOwner } from "../slots.ts";
import { KIND_RECV } from "./kinds.ts";

const HEAD_ONE: number = OP.RECV | (RING.SQE_BUFFER_SELECT << 8);
const HEAD_MULTISHOT: number = HEAD_ONE | (RING.RECV_MULTISHOT << 16);

export const prepRecv = (ring: Ring, owner: RingOwner, fd: number, group: number, multishot: boolean): void => {
  const at = ring.prepare(multishot ? HEAD_MULTISHOT : HEAD_ONE, fd, owner, KIND_RECV);
  ring.sqes[at + 10] = group;
};

/** Did the completion bring a buffer? */
export const hasBuffer = (flags: number): boolean => (flags & RING.CQE_BUFFER) !== 0;
/** Which one. */
export const bufferId = (flags: number): number => flags >>> RING.BUFFER_SHIFT;
