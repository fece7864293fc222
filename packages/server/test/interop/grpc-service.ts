// grpc-service.ts — gRPC calls served by a plain handler: messages cut out of the request body, answers with back-pressure
// and the status in trailers. As much of the protocol as its clients need to be told apart from a broken server.
import { Buffer } from "node:buffer";
import type { Exchange, Fields } from "@percore/http";

/** gRPC's codes that are used here. */
export const OK = 0;
export const CANCELLED = 1;
export const DEADLINE_EXCEEDED = 4;
export const NOT_FOUND = 5;
export const UNIMPLEMENTED = 12;

const PREFIX_BYTES = 5;

/** A message as it travels: not compressed, its length, its bytes. */
const framed = (message: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(PREFIX_BYTES + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
};

interface Call {
  onMessage(message: Buffer): void;
  onEnd(): void;
}

/** Cuts the request body into messages. */
const receive = (exchange: Exchange, call: Call): void => {
  let held: Buffer[] = [];
  let size = 0;
  let wanted = PREFIX_BYTES;
  exchange.receive({
    onBody(lease): void {
      held.push(Buffer.from(lease.bytes));
      size += lease.length;
      lease.release();
      while (size >= wanted) {
        const bytes = Buffer.concat(held);
        const whole = PREFIX_BYTES + bytes.readUInt32BE(1);
        if (size < whole) {
          held = [bytes];
          wanted = whole;
          return;
        }
        held = [bytes.subarray(whole)];
        size -= whole;
        wanted = PREFIX_BYTES;
        call.onMessage(bytes.subarray(PREFIX_BYTES, whole));
      }
    },
    onBodyEnd: () => call.onEnd(),
    onBodyError: () => undefined,
  });
};

const HEAD = ["content-type", "application/grpc"];

/** The answer's side of a call: what does not fit now is given when the exchange has drained. */
class Answers {
  readonly #exchange: Exchange;
  readonly #waiting: Buffer[] = [];
  #full = false;
  #end: string[] | null = null;
  /** Messages that had to wait. */
  held = 0;

  constructor(exchange: Exchange, fields: readonly string[] = HEAD) {
    this.#exchange = exchange;
    exchange.begin(200, fields, -1);
    exchange.onDrain = () => {
      this.#full = false;
      this.#flush();
    };
  }

  send(message: Uint8Array): void {
    this.#waiting.push(framed(message));
    if (this.#full) this.held += 1;
    this.#flush();
  }

  end(status: number, more: readonly string[] = []): void {
    this.#end = ["grpc-status", String(status), ...more];
    this.#flush();
  }

  #flush(): void {
    while (!this.#full) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#full = !this.#exchange.write(next);
    }
    if (this.#waiting.length === 0 && this.#end !== null && this.#exchange.open) this.#exchange.end(this.#end);
  }
}

const metadata = (fields: Fields): string[] => {
  const found = fields.get("x-meta");
  return found === undefined ? HEAD : [...HEAD, "x-meta", found];
};

/** Why calls ended that their client gave up, in order. */
export const abandoned: string[] = [];
/** Told of each of them. */
export const watcher: { onAbandoned: (() => void) | null } = { onAbandoned: null };

const METHODS: Readonly<Record<string, (exchange: Exchange) => void>> = {
  "/test.Echo/Unary": (exchange) => {
    let message: Buffer | null = null;
    receive(exchange, {
      onMessage: (one) => {
        message = one;
      },
      onEnd: () => {
        const answers = new Answers(exchange, metadata(exchange.fields));
        answers.send(message as Buffer);
        answers.end(OK, ["x-trailer", "behind"]);
      },
    });
  },
  /** The request says how many messages of how many bytes. */
  "/test.Echo/ServerStream": (exchange) => {
    let count = 0;
    let size = 0;
    receive(exchange, {
      onMessage: (one) => {
        [count, size] = one.toString().split(" ").map(Number);
      },
      onEnd: () => {
        const answers = new Answers(exchange);
        for (let index = 0; index < count; index += 1) answers.send(Buffer.alloc(size, index));
        answers.end(OK, ["x-held", answers.held > 0 ? "yes" : "no"]);
      },
    });
  },
  /** The answer says how many messages and bytes came. */
  "/test.Echo/ClientStream": (exchange) => {
    let count = 0;
    let size = 0;
    receive(exchange, {
      onMessage: (one) => {
        count += 1;
        size += one.length;
      },
      onEnd: () => {
        const answers = new Answers(exchange);
        answers.send(Buffer.from(`${count} ${size}`));
        answers.end(OK);
      },
    });
  },
  "/test.Echo/Bidi": (exchange) => {
    const answers = new Answers(exchange);
    receive(exchange, { onMessage: (one) => answers.send(one), onEnd: () => answers.end(OK) });
  },
  /** Takes the call, says so by its head, and never answers. */
  "/test.Echo/Never": (exchange) => {
    exchange.begin(200, HEAD, -1);
    exchange.onAbort = (reason) => {
      abandoned.push((reason as Error & { code: string }).code);
      watcher.onAbandoned?.();
    };
    receive(exchange, { onMessage: () => undefined, onEnd: () => undefined });
  },
  /** Status and message in the head: no message, no trailers of their own. */
  "/test.Echo/Missing": (exchange) => {
    exchange.respond(200, [...HEAD, "grpc-status", String(NOT_FOUND), "grpc-message", "no such thing"], null);
  },
  /** A message, and a failure behind it. */
  "/test.Echo/Late": (exchange) => {
    const answers = new Answers(exchange);
    answers.send(Buffer.from("first"));
    answers.end(NOT_FOUND, ["grpc-message", "too late"]);
  },
};

export const grpcService = (exchange: Exchange): void => {
  const method = METHODS[exchange.path];
  if (method !== undefined) method(exchange);
  else exchange.respond(200, [...HEAD, "grpc-status", String(UNIMPLEMENTED)], null);
};
