// unix-sockets.ts — the Unix sockets of a configuration, bound by the main thread: their files must outlive the threads that
// accept on them, and with an upgrade the process.
import { closeSync, unlinkSync } from "node:fs";
import { bindSocket, type InheritedSocket } from "@percore/core";
import { parseListenAddress } from "../config/address.ts";
import type { Config } from "../config/schema.ts";
import { handedName, socketsFor } from "./handed-sockets.ts";
import { listenersOf } from "./listeners.ts";

/** Sockets that are there for a configuration, and those among them that were bound now. */
export interface BoundSockets {
  readonly sockets: readonly InheritedSocket[];
  readonly added: readonly InheritedSocket[];
}

/**
 * Binds the Unix sockets that a configuration has and that are not there yet.
 * @throws what binding is refused for; then none was bound.
 */
export const bindUnixSockets = async (config: Config, sockets: readonly InheritedSocket[]): Promise<BoundSockets> => {
  const added: InheritedSocket[] = [];
  try {
    for (const { address, mode, backlog } of listenersOf(config)) {
      const parsed = parseListenAddress(address);
      if (typeof parsed === "string" || parsed.kind !== "unix" || socketsFor(address, sockets).length > 0) continue;
      const unixMode = mode === undefined ? undefined : Number.parseInt(mode, 8);
      const { fd } = await bindSocket({ unix: parsed.path, unixMode, backlog, sharing: "alone" });
      added.push({ fd, name: handedName(address) });
    }
  } catch (error) {
    for (const { fd } of added) closeSync(fd);
    throw error;
  }
  return { sockets: [...sockets, ...added], added };
};

/** Closes what a configuration no longer has, and removes the files. @returns the sockets that stay. */
export const dropUnixSockets = (
  config: Config | null,
  from: Config,
  sockets: readonly InheritedSocket[],
): InheritedSocket[] => {
  const kept = new Set(config === null ? [] : listenersOf(config).map(({ address }) => handedName(address)));
  let left = [...sockets];
  for (const { address } of listenersOf(from)) {
    const parsed = parseListenAddress(address);
    const name = handedName(address);
    if (kept.has(name) || typeof parsed === "string" || parsed.kind !== "unix") continue;
    for (const socket of left.filter((one) => one.name === name)) closeSync(socket.fd);
    left = left.filter((one) => one.name !== name);
    try {
      unlinkSync(parsed.path);
    } catch {
      // Somebody has removed it already, which is what is wanted.
    }
  }
  return left;
};
