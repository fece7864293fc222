// connect.ts — connects a socket to a sockaddr that lies in the arena. Result 0 or -errno.
import { OP } from "@percore/native";
import type { Ring } from "../ring.ts";
import type { RingOwner } from "../slots.ts";
import { KIND_CONNECT } from "./kinds.ts";

/** The address belongs to the kernel until the completion. */
export const prepConnect = (ring: Ring, owner: RingOwner, fd: number, address: number, size: number): void => {
  const at = ring.prepare(OP.CONNECT, fd, owner, KIND_CONNECT);
  ring.sqes[at + 2] = size;
  ring.putAddress(at + 4, address);
};
