// file-turn.ts — one turn of sendfile(2): as much as the socket takes, up to a fair share, and what to do next.
import { errno, sendfile } from "@percore/native";
import { CoreError, SystemError } from "./errors.ts";
import type { Segment } from "./out-queue.ts";

/** Bytes of a file one stream may send in a turn: sendfile blocks the thread while it copies. */
export const FILE_TURN_BYTES_MAX = 1_048_576;

/** What became of a turn. */
export type FileTurnResult =
  /** All of it is sent. */
  | { readonly kind: "done" }
  /** The socket is full, or the share is used up: go on when it is writable. */
  | { readonly kind: "wait" }
  /** sendfile cannot read this kind of file: read and send. */
  | { readonly kind: "copy" }
  | { readonly kind: "file-failed"; readonly error: Error }
  | { readonly kind: "socket-failed"; readonly errno: number };

const DONE: FileTurnResult = Object.freeze({ kind: "done" });
const WAIT: FileTurnResult = Object.freeze({ kind: "wait" });
const COPY: FileTurnResult = Object.freeze({ kind: "copy" });

/** @param took is told the bytes of each call that sent some, before the next. */
export const sendFileTurn = (socket: number, file: Segment, took: (size: number) => void): FileTurnResult => {
  let share = FILE_TURN_BYTES_MAX;
  while (file.length > 0) {
    if (share === 0) return WAIT;
    const sent = sendfile(socket, file.fd, file.offset, Math.min(file.length, share));
    if (sent > 0) {
      share -= sent;
      took(sent);
    } else if (sent === 0) {
      return { kind: "file-failed", error: shortFile() };
    } else if (-sent !== errno.EINTR) {
      return failed(-sent, file.sent);
    }
  }
  return DONE;
};

/** The file was shorter than the range that was promised. */
export const shortFile = (): CoreError =>
  new CoreError("ERR_FILE_SHORT", "the file ended before the range that was to be sent");

const failed = (code: number, sent: number): FileTurnResult => {
  switch (code) {
    case errno.EAGAIN:
      return WAIT;
    case errno.EPIPE:
    case errno.ECONNRESET:
    case errno.ETIMEDOUT:
    case errno.ENOTCONN:
      return { kind: "socket-failed", errno: code };
    case errno.EINVAL:
    case errno.ENOSYS:
    case errno.ESPIPE:
      // A file that cannot be mapped (a pipe, a FUSE mount); known at the first call, before anything was sent.
      return sent === 0 ? COPY : { kind: "file-failed", error: new SystemError("sendfile", code) };
    default:
      return { kind: "file-failed", error: new SystemError("sendfile", code) };
  }
};
