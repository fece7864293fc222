// sender.ts — request bodies on their way out: in turns, as far as the windows of the streams and of the connection go.
import type { Stream } from "@percore/core";
import * as F from "../codec/frame.ts";
import type { Outgoing } from "../connection/outgoing.ts";
import { Schedule, type Scheduled } from "../connection/schedule.ts";
import type { FrameWriter } from "./frame-writer.ts";

/** A stream as far as sending is concerned. */
export interface Sending extends Scheduled {
  readonly id: number;
  sendWindow: number;
  /** END_STREAM has been sent. */
  weEnded: boolean;
  readonly closed: boolean;
  /** Nothing more will be given. */
  readonly hasEnded: boolean;
  readonly trailers: readonly string[] | null;
  readonly outgoing: Outgoing | null;
  readonly queuedBytes: number;
}

export interface SenderOwner<Member extends Sending> {
  /** A DATA frame has left. */
  sentData(member: Member): void;
  /** END_STREAM has left. */
  sentEnd(member: Member): void;
  /** A file that was promised ended early: its frame has been begun and cannot be made good. */
  fileFailed(error: Error): void;
}

/** Largest body part that is copied into the outgoing block at once. */
const COPIED_BYTES_MAX = 8192;

export class Sender<Member extends Sending> {
  /** What the peer takes in all, bytes. */
  window: number = F.WINDOW_DEFAULT;
  readonly #owner: SenderOwner<Member>;
  readonly #stream: Stream;
  readonly #frames: FrameWriter;
  readonly #schedule = new Schedule<Member>();
  #pumping = false;

  constructor(owner: SenderOwner<Member>, stream: Stream, frames: FrameWriter) {
    this.#owner = owner;
    this.#stream = stream;
    this.#frames = frames;
  }

  /** Somebody waits for a window or for his turn. */
  get waits(): boolean {
    return this.#schedule.size > 0;
  }

  /** Nobody waits, and the windows allow it. */
  maySend(member: Member, size: number): boolean {
    return (
      size <= this.window &&
      size <= member.sendWindow &&
      member.queuedBytes === 0 &&
      !this.waits &&
      !this.#stream.needsDrain
    );
  }

  /** Body bytes at once, copied; false where they have to wait. */
  writeNow(member: Member, bytes: Uint8Array): boolean {
    if (bytes.length > COPIED_BYTES_MAX || !this.maySend(member, bytes.length)) return false;
    this.#frames.data(member.id, bytes);
    this.#took(member, bytes.length);
    return true;
  }

  /** There is something to send for it, if only its end. */
  ready(member: Member): void {
    if (member.queuedBytes > 0) {
      this.#schedule.add(member);
      this.pump();
    } else if (member.hasEnded && !member.weEnded) this.#writeEnd(member);
  }

  remove(member: Member): void {
    this.#schedule.remove(member);
  }

  /** Its window has opened. */
  opened(member: Member): void {
    if (member.queuedBytes > 0 && member.sendWindow > 0) this.#schedule.add(member);
  }

  pump(): void {
    if (this.#pumping || this.#schedule.size === 0) return;
    this.#pumping = true;
    try {
      while (!this.#stream.needsDrain && this.#stream.open) {
        const member = this.#schedule.first();
        if (member === null || !this.#sendSome(member)) break;
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** One DATA frame, or the end. False where the connection's window is empty. */
  #sendSome(member: Member): boolean {
    const out = member.outgoing;
    const part = out?.head;
    if (out === null || part === undefined || member.sendWindow <= 0) {
      this.#schedule.remove(member);
      return true;
    }
    const size = Math.min(part.length, F.FRAME_BYTES_DEFAULT, member.sendWindow, this.window);
    if (size <= 0) return false;
    const end = size === part.length && out.count === 1 && member.hasEnded && member.trailers === null;
    this.#frames.dataHead(member.id, size, end);
    const { lease, fd, offset, total } = part;
    const whole = out.took(size);
    if (lease === null) {
      this.#stream.sendFile(fd, offset, size, (error, sent) => {
        const { done } = part;
        if (error === null && !whole) return;
        part.done = null;
        if (error !== null) this.#owner.fileFailed(error);
        done?.(error, error === null ? total : sent);
      });
    } else if (whole) {
      lease.offset += offset;
      lease.length = size;
      this.#stream.write(lease);
    } else this.#stream.write(lease.slice(offset, size));
    if (out.count > 0) this.#schedule.took(member);
    else this.#schedule.remove(member);
    if (end) this.#ended(member);
    this.#took(member, size);
    if (out.count === 0 && member.hasEnded && !member.weEnded && !member.closed) this.#writeEnd(member);
    return true;
  }

  #took(member: Member, size: number): void {
    this.window -= size;
    member.sendWindow -= size;
    this.#owner.sentData(member);
  }

  #writeEnd(member: Member): void {
    if (member.trailers !== null) this.#frames.headers(member.id, member.trailers, true);
    else this.#frames.dataHead(member.id, 0, true);
    this.#ended(member);
  }

  #ended(member: Member): void {
    member.weEnded = true;
    this.#owner.sentEnd(member);
  }
}
