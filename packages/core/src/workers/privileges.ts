// privileges.ts — gives up root after the ports are bound, for the whole process and for good.
import { readFileSync } from "node:fs";
import { setPrivileges } from "@percore/native";
import { CoreError, errnoName } from "../errors.ts";

export interface PrivilegeOptions {
  /** User to become, by name or number. */
  readonly setuid?: string | number;
  /** Group to become, by name or number. Default: the user's own. */
  readonly setgid?: string | number;
}

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** Workers have so long to be ready when privileges wait for it: nobody should go on as root by oversight. */
export const READY_MS_MAX = 10_000;

export const privilegesLate = (who: string): CoreError =>
  new CoreError(
    "ERR_PRIVILEGES",
    `privileges were not dropped: after ${READY_MS_MAX} ms ${who} not ready. ` +
      "main must return when its ports are bound, or call context.ready()",
  );

/** Reads /etc/passwd or /etc/group. */
export type ReadTable = (path: string) => string;

const readTable: ReadTable = (path) => readFileSync(path, "utf8");

/**
 * Who to become; null where nobody asked.
 * @throws {CoreError} ERR_OPTION_INVALID for a name that this machine does not know.
 */
export const resolveIdentity = (options: PrivilegeOptions, read: ReadTable = readTable): Identity | null => {
  const { setuid, setgid } = options;
  if (setuid === undefined && setgid === undefined) return null;
  const user = setuid === undefined ? null : findUser(setuid, read);
  const uid = user?.uid ?? process.getuid?.() ?? 0;
  const gid = setgid === undefined ? user?.gid : findGroup(setgid, read);
  if (gid === undefined) {
    throw new CoreError(
      "ERR_OPTION_INVALID",
      `setuid ${setuid} has no entry in /etc/passwd, so setgid must be given too`,
    );
  }
  // Root's supplementary groups must not stay: the user's own take their place, as initgroups(3) would.
  const groups =
    user?.name === undefined ? [gid] : [gid, ...groupsOf(user.name, read).filter((other) => other !== gid)];
  return { uid, gid, groups };
};

/**
 * Becomes `identity`, in all threads, and makes sure that there is no way back.
 * @throws {CoreError} ERR_PRIVILEGES.
 */
export const dropPrivileges = (identity: Identity): void => {
  const result = setPrivileges(identity.uid, identity.gid, identity.groups);
  if (result < 0) {
    throw new CoreError(
      "ERR_PRIVILEGES",
      `cannot become user ${identity.uid}, group ${identity.gid}: ${errnoName(-result)}`,
    );
  }
  if (identity.uid !== 0 && setPrivileges(0, 0, []) === 0) {
    throw new CoreError("ERR_PRIVILEGES", `user ${identity.uid} may become root again`);
  }
};

interface User {
  readonly name: string | undefined;
  readonly uid: number;
  readonly gid: number | undefined;
}

const findUser = (user: string | number, read: ReadTable): User => {
  const wanted = String(user);
  for (const [name, , uid, gid] of rows("/etc/passwd", read)) {
    if (name === wanted || uid === wanted) return { name, uid: Number(uid), gid: Number(gid) };
  }
  return { name: undefined, uid: asNumber("setuid", wanted), gid: undefined };
};

const findGroup = (group: string | number, read: ReadTable): number => {
  const wanted = String(group);
  const row = rows("/etc/group", read).find(([name, , gid]) => name === wanted || gid === wanted);
  return row === undefined ? asNumber("setgid", wanted) : Number(row[2]);
};

const groupsOf = (user: string, read: ReadTable): number[] =>
  rows("/etc/group", read)
    .filter(([, , , members]) => members?.split(",").includes(user))
    .map(([, , gid]) => Number(gid));

const rows = (path: string, read: ReadTable): string[][] => {
  const lines = read(path).split("\n");
  return lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => line.split(":"));
};

const asNumber = (option: string, value: string): number => {
  if (/^\d+$/.test(value)) return Number(value);
  throw new CoreError("ERR_OPTION_INVALID", `${option}: this machine has no "${value}"`);
};
