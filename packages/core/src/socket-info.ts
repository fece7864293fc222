// socket-info.ts — what is under a socket stream; addresses are asked for when somebody wants to know them.
import { getpeername, getsockname } from "@percore/native";
import { decodeAddress } from "./address.ts";
import type { PeerAddress, StreamInfo } from "./stream.ts";

const UNKNOWN: PeerAddress = Object.freeze({ family: "unix", address: "", port: 0 });

export class SocketInfo implements StreamInfo {
  readonly fd: number;
  readonly kernelTls = false;
  readonly encrypted = false;
  readonly alpn = null;
  #remote: PeerAddress | null = null;
  #local: PeerAddress | null = null;

  constructor(fd: number) {
    this.fd = fd;
  }

  get remote(): PeerAddress {
    this.#remote ??= addressOf(getpeername(this.fd));
    return this.#remote;
  }

  get local(): PeerAddress {
    this.#local ??= addressOf(getsockname(this.fd));
    return this.#local;
  }
}

/** A peer that has gone already has no address any more; that is no reason to fail. */
export const addressOf = (answer: Uint8Array | number): PeerAddress =>
  typeof answer === "number" ? UNKNOWN : decodeAddress(answer);
