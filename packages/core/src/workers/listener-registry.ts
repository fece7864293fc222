// listener-registry.ts — the supervisor's listening sockets: which worker each is for, and who accepts on it meanwhile.
import { close } from "@percore/native";
import { adoptSocket, type BoundSocket, bindSocket } from "../bind.ts";
import type { PeerAddress } from "../stream.ts";
import type { Grant, ListenTarget, ToWorker } from "./messages.ts";

/** Sends to a worker that runs. */
export type SendToWorker = (worker: number, message: ToWorker) => void;

interface GroupSocket {
  readonly fd: number;
  /** The worker it was made for; null where it is everybody's. */
  readonly home: number | null;
  /** The worker that accepts on it; null while nobody does. A socket that is everybody's has no holder. */
  holder: number | null;
}

/** One address. TCP: a socket for each worker, of one SO_REUSEPORT group. Unix and inherited: one socket for all. */
interface Group {
  readonly key: string;
  readonly target: ListenTarget;
  readonly address: PeerAddress;
  readonly shared: boolean;
  readonly sockets: GroupSocket[];
  /** Workers that listen here and run. */
  readonly members: Set<number>;
}

/**
 * A socket is closed only by the last worker that gives its address up, and that one accepts first what is queued.
 * Until then every socket of a group has somebody who accepts on it, as long as any worker runs: the kernel deals new
 * connections to all of them.
 */
export class ListenerRegistry {
  readonly #send: SendToWorker;
  readonly #groups = new Map<string, Promise<Group>>();

  constructor(send: SendToWorker) {
    this.#send = send;
  }

  /**
   * Binds the address, or joins it, for a worker.
   * @throws {SystemError} what the kernel says; {CoreError} ERR_DESCRIPTOR_INVALID, ERR_ADDRESS_INVALID.
   */
  async acquire(worker: number, key: string, target: ListenTarget): Promise<Grant> {
    let opening = this.#groups.get(key);
    if (opening === undefined) {
      opening = openGroup(key, target, worker);
      this.#groups.set(key, opening);
      opening.catch(() => this.#groups.delete(key));
    }
    const group = await opening;
    // The last of the others may have given it up in the meantime; then the sockets are theirs.
    if (this.#groups.get(key) !== opening) return this.acquire(worker, key, target);
    group.members.add(worker);
    if (group.shared) return { fds: [group.sockets[0].fd], address: group.address };
    const own = group.sockets.find((socket) => socket.home === worker) ?? (await this.#addSibling(group, worker));
    if (own.holder !== null && own.holder !== worker) {
      this.#send(own.holder, { type: "giveBack", key, fd: own.fd });
    }
    own.holder = worker;
    const idle = group.sockets.filter((socket) => socket.holder === null);
    for (const socket of idle) socket.holder = worker;
    return { fds: [own.fd, ...idle.map((socket) => socket.fd)], address: group.address };
  }

  /** A worker gives an address up. The descriptors in the answer are its own to close. */
  async release(worker: number, key: string): Promise<readonly number[]> {
    const group = await this.#groups.get(key);
    if (group === undefined || !group.members.delete(worker)) return [];
    if (group.members.size > 0) {
      this.#reassign(worker, group);
      return [];
    }
    this.#groups.delete(key);
    // What was inherited belongs to whoever it came from; its queue is for the next who accepts on it.
    return group.target.fd === undefined ? group.sockets.map((socket) => socket.fd) : [];
  }

  /** A worker is gone, for good or until it is started again: others accept on its sockets. */
  async leave(worker: number): Promise<void> {
    for (const opening of [...this.#groups.values()]) {
      const group = await opening.catch(() => null);
      if (group?.members.delete(worker)) this.#reassign(worker, group);
    }
  }

  /** Closes everything; for when no worker is left that could accept. */
  async close(): Promise<void> {
    const groups = [...this.#groups.values()];
    this.#groups.clear();
    for (const opening of groups) {
      const group = await opening.catch(() => null);
      if (group === null || group.target.fd !== undefined) continue;
      for (const socket of group.sockets) close(socket.fd);
    }
  }

  /** Where the program listens now. */
  async addresses(): Promise<PeerAddress[]> {
    const groups = await Promise.all([...this.#groups.values()].map((opening) => opening.catch(() => null)));
    return groups.flatMap((group) => (group === null ? [] : [group.address]));
  }

  async #addSibling(group: Group, worker: number): Promise<GroupSocket> {
    const given = group.target.hostname;
    // A zone ("fe80::1%eth0") is not part of what the kernel tells of an address.
    const hostname = given?.includes("%") ? given : group.address.address;
    const bound = await bindSocket({ ...group.target, hostname, port: group.address.port, sharing: "sibling" });
    const socket: GroupSocket = { fd: bound.fd, home: worker, holder: worker };
    group.sockets.push(socket);
    return socket;
  }

  #reassign(worker: number, group: Group): void {
    const [heir] = group.members;
    for (const socket of group.sockets) {
      if (socket.holder !== worker) continue;
      socket.holder = null;
      if (heir === undefined) continue;
      socket.holder = heir;
      this.#send(heir, { type: "adopt", key: group.key, fd: socket.fd });
    }
  }
}

const openGroup = async (key: string, target: ListenTarget, worker: number): Promise<Group> => {
  const shared = target.unix !== undefined || target.fd !== undefined;
  const bound: BoundSocket =
    target.fd === undefined
      ? await bindSocket({ ...target, sharing: shared ? "alone" : "first" })
      : adoptSocket(target.fd);
  const socket: GroupSocket = { fd: bound.fd, home: shared ? null : worker, holder: shared ? null : worker };
  return { key, target, address: bound.address, shared, sockets: [socket], members: new Set() };
};

/** One name for one address: the same words in every worker, and a number for the second listener with the same words. */
export const targetKey = (target: ListenTarget, ordinal: number): string => {
  const { port, hostname, unix, fd } = target;
  if (fd !== undefined) return `fd ${fd} #${ordinal}`;
  if (unix !== undefined) return `unix ${unix} #${ordinal}`;
  return `${hostname ?? "*"} ${port} #${ordinal}`;
};
