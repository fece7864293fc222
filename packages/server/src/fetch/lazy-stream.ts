// lazy-stream.ts — a request's body as a web stream that does not exist until somebody uses it. Node's own takes about
// 15 µs to make (Node 20.20, November 2026: `npm run bench -- budget`), and most bodies are relayed or read whole.

/** Makes the real stream, once. */
export interface StreamOpener {
  openStream(): ReadableStream<Uint8Array>;
}

/** The stream that stands for `opener`'s: a ReadableStream to everybody who asks, Node's own code included. */
export let lazyStream: (opener: StreamOpener) => ReadableStream<Uint8Array>;

/** Whose stream this is, where nobody has done anything with it yet; else null. */
export let openerOf: (stream: ReadableStream) => StreamOpener | null;

/** The real stream, made now if it was not. */
let real: (lazy: LazyStream) => ReadableStream<Uint8Array>;

class LazyStream {
  #opener: StreamOpener | null;
  #real: ReadableStream<Uint8Array> | null = null;

  constructor(opener: StreamOpener) {
    this.#opener = opener;
  }

  static {
    lazyStream = (opener) => new LazyStream(opener) as unknown as ReadableStream<Uint8Array>;
    openerOf = (stream) => (#opener in stream ? (stream as LazyStream).#opener : null);
    real = (lazy) => {
      if (lazy.#real === null) {
        lazy.#real = (lazy.#opener as StreamOpener).openStream();
        lazy.#opener = null;
      }
      return lazy.#real;
    };
  }
}

type Members = Record<PropertyKey, unknown>;

/** Every public member does what the real stream's does. */
const delegateMembers = (): void => {
  for (const key of Reflect.ownKeys(ReadableStream.prototype)) {
    const descriptor = Object.getOwnPropertyDescriptor(ReadableStream.prototype, key) as PropertyDescriptor;
    if (key === "constructor" || key === Symbol.toStringTag) continue;
    const { get, value } = descriptor;
    if (get !== undefined) delegate(key, (stream) => get.call(stream));
    else if (typeof value === "function") {
      Object.defineProperty(LazyStream.prototype, key, {
        ...descriptor,
        value(this: LazyStream, ...given: unknown[]): unknown {
          return value.apply(real(this), given);
        },
      });
    }
  }
};

/** Node's own functions know a stream by what it keeps under symbols of its own: they find the real stream's. */
const delegateState = (example: object): void => {
  for (const symbol of Object.getOwnPropertySymbols(example)) {
    delegate(symbol, (stream) => (stream as unknown as Members)[symbol]);
  }
};

const delegate = (key: PropertyKey, read: (stream: ReadableStream) => unknown): void => {
  Object.defineProperty(LazyStream.prototype, key, {
    configurable: true,
    get(this: LazyStream): unknown {
      return read(real(this));
    },
    set(this: LazyStream, value: unknown) {
      (real(this) as unknown as Members)[key] = value;
    },
  });
};

/** Node's code takes the stand-in for one of its own. Where it does not (another way to keep state), none are made. */
const isTaken = (): boolean => {
  try {
    const probe = lazyStream({ openStream: () => new ReadableStream<Uint8Array>() });
    const reader = ReadableStream.prototype.getReader.call(probe);
    return probe.locked && reader.closed instanceof Promise;
  } catch {
    return false;
  }
};

Object.setPrototypeOf(LazyStream.prototype, ReadableStream.prototype);
delegateMembers();
delegateState(new ReadableStream());
if (!isTaken()) lazyStream = (opener) => opener.openStream();
