// cancel.ts — asks for operations to end early. What is cancelled still has its own final completion.
import { OP, RING } from "@percore/native";
import type { Ring } from "../ring.ts";
import type { RingOwner } from "../slots.ts";
import { KIND_CANCEL } from "./kinds.ts";

const NO_FD = -1;

/** Cancels one operation of `owner`. Completes with 0, -ENOENT (it was done already) or -EALREADY (it cannot be stopped). */
export const prepCancel = (ring: Ring, owner: RingOwner, kind: number): void => {
  const at = ring.prepare(OP.ASYNC_CANCEL, NO_FD, owner, KIND_CANCEL);
  ring.sqes[at + 4] = owner.slot;
  ring.sqes[at + 5] = owner.tag | kind;
};

/** Cancels everything in flight on a descriptor. */
export const prepCancelAll = (ring: Ring, owner: RingOwner, fd: number): void => {
  const at = ring.prepare(OP.ASYNC_CANCEL, fd, owner, KIND_CANCEL);
  ring.sqes[at + 7] = RING.CANCEL_FD | RING.CANCEL_ALL;
};
