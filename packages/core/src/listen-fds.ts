// listen-fds.ts — sockets that a service manager opened for us: sd_listen_fds(3).
import { setCloexec } from "@percore/native";

/** The first descriptor that is passed; they follow one another. */
const FIRST_FD = 3;

export interface InheritedSocket {
  readonly fd: number;
  /** FileDescriptorName= of the socket unit, or "" where there are no names. */
  readonly name: string;
}

/**
 * The descriptors of LISTEN_FDS, if LISTEN_PID says they are for this process. Made close-on-exec, and the variables
 * removed, so that no child takes them for its own. Call it once, before anything else opens descriptors.
 */
export const inheritedSockets = (environment: NodeJS.ProcessEnv = process.env): InheritedSocket[] => {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  delete environment.LISTEN_PID;
  delete environment.LISTEN_FDS;
  delete environment.LISTEN_FDNAMES;
  if (LISTEN_PID !== String(process.pid)) return [];
  const count = Number(LISTEN_FDS);
  if (!Number.isInteger(count) || count < 0) return [];
  const names = LISTEN_FDNAMES === undefined ? [] : LISTEN_FDNAMES.split(":");
  const sockets: InheritedSocket[] = [];
  for (let at = 0; at < count; at += 1) {
    setCloexec(FIRST_FD + at, true);
    sockets.push({ fd: FIRST_FD + at, name: names[at] ?? "" });
  }
  return sockets;
};
