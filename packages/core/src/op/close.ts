// close.ts — closes a descriptor in order with the operations before it.
import { OP } from "@percore/native";
import type { Ring } from "../ring.ts";
import type { RingOwner } from "../slots.ts";
import { KIND_CLOSE } from "./kinds.ts";

export const prepClose = (ring: Ring, owner: RingOwner, fd: number): void => {
  ring.prepare(OP.CLOSE, fd, owner, KIND_CLOSE);
};
