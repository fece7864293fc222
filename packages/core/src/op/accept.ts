// accept.ts — multishot accept: armed once, each completion is a descriptor.
import { constants, OP, RING } from "@percore/native";
import type { Ring } from "../ring.ts";
import type { RingOwner } from "../slots.ts";
import { KIND_ACCEPT } from "./kinds.ts";

const HEAD: number = OP.ACCEPT | (RING.ACCEPT_MULTISHOT << 16);
/** Close-on-exec, so that no child process inherits a connection; non-blocking for sendfile and the poll driver. */
const FLAGS: number = constants.SOCK_CLOEXEC | constants.SOCK_NONBLOCK;

export const prepAccept = (ring: Ring, owner: RingOwner, fd: number): void => {
  const at = ring.prepare(HEAD, fd, owner, KIND_ACCEPT);
  ring.sqes[at + 7] = FLAGS;
};
