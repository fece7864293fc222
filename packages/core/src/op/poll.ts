// poll.ts — one-shot readiness of a descriptor. The result is the mask of what is ready.
import { OP } from "@percore/native";
import type { Ring } from "../ring.ts";
import type { RingOwner } from "../slots.ts";

/** @param mask POLL* bits; errors and hang-ups are reported whatever it says. */
export const prepPoll = (ring: Ring, owner: RingOwner, kind: number, fd: number, mask: number): void => {
  const at = ring.prepare(OP.POLL_ADD, fd, owner, kind);
  ring.sqes[at + 7] = mask;
};
