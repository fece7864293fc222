// schedule.ts — whose DATA is sent next (RFC 9218 §10): by urgency, then in turns.
import { URGENCIES } from "../codec/priority.ts";

export interface Scheduled {
  readonly urgency: number;
  readonly incremental: boolean;
  /** In the schedule now; the schedule's own. */
  scheduled: boolean;
}

export class Schedule<Member extends Scheduled> {
  readonly #queues: Member[][] = [];
  size = 0;

  constructor() {
    for (let urgency = 0; urgency < URGENCIES; urgency += 1) this.#queues.push([]);
  }

  add(member: Member): void {
    if (member.scheduled) return;
    member.scheduled = true;
    this.#queues[member.urgency].push(member);
    this.size += 1;
  }

  remove(member: Member): void {
    if (!member.scheduled) return;
    member.scheduled = false;
    this.size -= 1;
    for (const queue of this.#queues) {
      const at = queue.indexOf(member);
      if (at >= 0) queue.splice(at, 1);
    }
  }

  /** The one whose turn it is, or null. */
  first(): Member | null {
    if (this.size === 0) return null;
    for (const queue of this.#queues) if (queue.length > 0) return queue[0];
    return null;
  }

  /** It has had its turn and has more: those that are of use in parts go behind their equals. */
  took(member: Member): void {
    const queue = this.#queues[member.urgency];
    if (!member.incremental || queue.length === 1 || queue[0] !== member) return;
    queue.shift();
    queue.push(member);
  }
}
