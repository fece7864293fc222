// watched-exchange.ts — an exchange that somebody else answers (a handler, a file), watched for what becomes of it.
import type { Exchange, FieldList } from "@percore/http";

export interface AnswerWatcher {
  /** Gives the fields that go out instead of those the answer has. */
  onHead(status: number, fields: FieldList): FieldList;
  onBytes(count: number): void;
  /** Once, last. */
  onFinish(error: Error | null): void;
}

/**
 * Watches an exchange from here on. Its methods are put before the ones it has: an exchange lives for one request, and whoever
 * answers it gets the very object, with the private parts its methods need.
 */
export const watchExchange = (exchange: Exchange, watcher: AnswerWatcher): void => {
  const { respond, begin, write, writeLease, sendFile } = exchange;
  let theirs: Exchange["onFinish"] = null;
  exchange.onFinish = (error) => {
    try {
      theirs?.(error);
    } finally {
      watcher.onFinish(error);
    }
  };
  const counted = (bytes: number): void => {
    // HEAD has no body, whatever is given for one.
    if (exchange.method !== "HEAD") watcher.onBytes(bytes);
  };
  Object.defineProperties(exchange, {
    onFinish: {
      configurable: true,
      get: () => theirs,
      set: (callback: Exchange["onFinish"]) => {
        theirs = callback;
      },
    },
    respond: {
      value: (...[status, fields, body]: Parameters<Exchange["respond"]>): void => {
        respond.call(exchange, status, watcher.onHead(status, fields), body);
        if (body !== null) counted(typeof body === "string" ? Buffer.byteLength(body) : body.length);
      },
    },
    begin: {
      value: (...[status, fields, length]: Parameters<Exchange["begin"]>): void => {
        begin.call(exchange, status, watcher.onHead(status, fields), length);
      },
    },
    write: {
      value: (chunk: string | Uint8Array): boolean => {
        counted(typeof chunk === "string" ? Buffer.byteLength(chunk) : chunk.length);
        return write.call(exchange, chunk);
      },
    },
    writeLease: {
      value: (lease: Parameters<Exchange["writeLease"]>[0]): boolean => {
        counted(lease.length);
        return writeLease.call(exchange, lease);
      },
    },
    sendFile: {
      value: (...[fd, offset, length, done]: Parameters<Exchange["sendFile"]>): void => {
        sendFile.call(exchange, fd, offset, length, (error, sent) => {
          counted(sent);
          done(error, sent);
        });
      },
    },
  });
};
