// bind.ts — a listening socket's descriptor: made, bound and listening, or adopted. Who accepts from it is listener.ts's business.
import { lookup } from "node:dns/promises";
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import {
  bind,
  close,
  constants,
  errno,
  getsockname,
  getsockoptInt,
  listen,
  setCloexec,
  setNonblock,
  setsockoptInt,
  socket,
} from "@percore/native";
import { decodeAddress, encodeAddress, familyOf, formatAddress } from "./address.ts";
import { CoreError, SystemError } from "./errors.ts";
import type { PeerAddress } from "./stream.ts";

/**
 * Who else listens on the port. The first binds alone, so that "address in use" stays an error, and then lets siblings
 * follow; a sibling asks for the shared port from the start.
 */
export type PortSharing = "alone" | "first" | "sibling";

export interface BindOptions {
  /** TCP port, 0..65535; 0 takes a free one. */
  readonly port?: number;
  /** Name or address to listen on. Default: every address, IPv6 and IPv4 by one socket where the machine has IPv6. */
  readonly hostname?: string;
  /** Path of a Unix socket, instead of a port. A socket file that nobody listens on any more is replaced. */
  readonly unix?: string;
  /** Permission bits of the socket file, e.g. 0o660. */
  readonly unixMode?: number;
  /** Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn. */
  readonly backlog?: number;
  /** Default "alone". */
  readonly sharing?: PortSharing;
}

export interface BoundSocket {
  readonly fd: number;
  readonly address: PeerAddress;
}

const BACKLOG = 4096;
/** A live server answers a connection to its socket at once; longer than this it is at least not stale. */
const STALE_PROBE_MS = 1000;

/**
 * Makes a socket that listens. The descriptor is the caller's, close-on-exec and non-blocking.
 * @throws {SystemError} EADDRINUSE, EACCES, EADDRNOTAVAIL, …; {CoreError} ERR_ADDRESS_INVALID, ERR_OPTION_INVALID.
 */
export const bindSocket = async (options: BindOptions): Promise<BoundSocket> => {
  if (options.unix !== undefined) return bindUnix(options.unix, options);
  if (options.port === undefined) throw new CoreError("ERR_OPTION_INVALID", "either port or unix says where to listen");
  if (options.hostname === undefined) return bindEverywhere(options.port, options);
  const { address } = await lookup(options.hostname);
  return bindTcp({ family: address.includes(":") ? "ipv6" : "ipv4", address, port: options.port }, options);
};

/**
 * Takes a descriptor that listens already (LISTEN_FDS, a supervisor's).
 * @throws {CoreError} ERR_DESCRIPTOR_INVALID when it does not.
 */
export const adoptSocket = (fd: number): BoundSocket => {
  const listening = getsockoptInt(fd, constants.SOL_SOCKET, constants.SO_ACCEPTCONN);
  if (typeof listening === "number" || listening.value === 0) {
    throw new CoreError("ERR_DESCRIPTOR_INVALID", `descriptor ${fd} is not a listening socket`);
  }
  setNonblock(fd, true);
  setCloexec(fd, true);
  return { fd, address: ownAddress(fd) };
};

const bindEverywhere = (port: number, options: BindOptions): BoundSocket => {
  try {
    return bindTcp({ family: "ipv6", address: "::", port }, options);
  } catch (error) {
    // Without IPv6 (ipv6.disable=1, many containers) the socket or its address does not exist.
    const absent = error instanceof SystemError && (error.code === "EAFNOSUPPORT" || error.code === "EADDRNOTAVAIL");
    if (!absent) throw error;
    return bindTcp({ family: "ipv4", address: "0.0.0.0", port }, options);
  }
};

const bindTcp = (address: PeerAddress, options: BindOptions): BoundSocket => {
  const encoded = encodeAddress(address);
  const fd = check("socket", socket(familyOf(address), constants.SOCK_STREAM, 0), address);
  const sharing = options.sharing ?? "alone";
  try {
    set(fd, constants.SOL_SOCKET, constants.SO_REUSEADDR, 1);
    if (sharing === "sibling") set(fd, constants.SOL_SOCKET, constants.SO_REUSEPORT, 1);
    if (address.family === "ipv6")
      set(fd, constants.IPPROTO_IPV6, constants.IPV6_V6ONLY, address.address === "::" ? 0 : 1);
    check("bind", bind(fd, encoded), address);
    if (sharing === "first") set(fd, constants.SOL_SOCKET, constants.SO_REUSEPORT, 1);
    check("listen", listen(fd, options.backlog ?? BACKLOG), address);
    return { fd, address: ownAddress(fd) };
  } catch (error) {
    close(fd);
    throw error;
  }
};

const bindUnix = async (path: string, options: BindOptions): Promise<BoundSocket> => {
  const address: PeerAddress = { family: "unix", address: path, port: 0 };
  const encoded = encodeAddress(address);
  const fd = check("socket", socket(constants.AF_UNIX, constants.SOCK_STREAM, 0), address);
  try {
    let bound = bind(fd, encoded);
    if (bound === -errno.EADDRINUSE && (await isStale(path))) {
      unlinkSync(path);
      bound = bind(fd, encoded);
    }
    check("bind", bound, address);
    if (options.unixMode !== undefined) chmodSync(path, options.unixMode);
    check("listen", listen(fd, options.backlog ?? BACKLOG), address);
    return { fd, address };
  } catch (error) {
    close(fd);
    throw error;
  }
};

/** A socket file whose server is gone: connecting is refused. Anything else at that path is left alone. */
const isStale = async (path: string): Promise<boolean> => {
  try {
    if (!lstatSync(path).isSocket()) return false;
  } catch {
    return false;
  }
  return new Promise<boolean>((resolve) => {
    const probe = connect({ path });
    const settle = (stale: boolean): void => {
      probe.destroy();
      resolve(stale);
    };
    probe.once("connect", () => settle(false));
    probe.once("error", (error: NodeJS.ErrnoException) => settle(error.code === "ECONNREFUSED"));
    probe.setTimeout(STALE_PROBE_MS, () => settle(false));
  });
};

const ownAddress = (fd: number): PeerAddress => {
  const answer = getsockname(fd);
  if (typeof answer === "number") throw new SystemError("getsockname", -answer);
  return decodeAddress(answer);
};

const set = (fd: number, level: number, name: number, value: number): void => {
  const failed = setsockoptInt(fd, level, name, value);
  if (failed < 0) throw new SystemError("setsockopt", -failed);
};

const check = (syscall: string, result: number, address: PeerAddress): number => {
  if (result < 0) throw new SystemError(syscall, -result, formatAddress(address));
  return result;
};
