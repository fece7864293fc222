// recv.ts — multishot receive: armed once, each completion brings a buffer that the kernel chose from a group.
import { OP, RING } from "@percore/native";
import type { Ring } from "../ring.ts";
import type { RingOwner } from "../slots.ts";
import { KIND_RECV } from "./kinds.ts";

const HEAD: number = OP.RECV | (RING.SQE_BUFFER_SELECT << 8) | (RING.RECV_MULTISHOT << 16);

export const prepRecv = (ring: Ring, owner: RingOwner, fd: number, group: number): void => {
  const at = ring.prepare(HEAD, fd, owner, KIND_RECV);
  ring.sqes[at + 10] = group;
};

/** Did the completion bring a buffer? */
export const hasBuffer = (flags: number): boolean => (flags & RING.CQE_BUFFER) !== 0;
/** Which one. */
export const bufferId = (flags: number): number => flags >>> RING.BUFFER_SHIFT;
