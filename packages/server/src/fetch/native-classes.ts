// native-classes.ts — Node's own Request, Response and Headers, taken before anybody replaces the globals, and the
// error that people get who hand our objects to code that looks at the private fields of Node's.

export const NativeRequest: typeof globalThis.Request = globalThis.Request;
export const NativeResponse: typeof globalThis.Response = globalThis.Response;
export const NativeHeaders: typeof globalThis.Headers = globalThis.Headers;
export const nativeFetch: typeof globalThis.fetch = globalThis.fetch;

const FIX = `import "percore/globals" first, or pass toNative(object)`;

/** Our Request or Response met code that knows only Node's own. */
export class NotNativeError extends TypeError {
  readonly code = "ERR_NOT_NATIVE";
  override readonly name = "NotNativeError";

  constructor(what: string, options?: ErrorOptions) {
    super(
      `a percore ${what} was given to node's own fetch() or constructor, which take only their own: ${FIX}`,
      options,
    );
  }
}

/**
 * Makes Node's own classes say what to do when they are handed an object of ours. Node 20 keeps the state of its
 * objects under symbols: reading one of them on ours throws the error that names the fix.
 */
export const guardNativeState = (prototype: object, example: object, what: string): void => {
  for (const symbol of Object.getOwnPropertySymbols(example)) {
    Object.defineProperty(prototype, symbol, {
      configurable: true,
      get(): never {
        throw new NotNativeError(what);
      },
    });
  }
};

/** Newer Nodes keep it in private fields, where nothing of ours is asked: the engine's error is translated when a handler fails with it. */
export const explainNativeError = (error: unknown): unknown => {
  if (!(error instanceof TypeError) || error instanceof NotNativeError) return error;
  if (!/private member #(state|headers|signal|dispatcher)\b/.test(error.message)) return error;
  return new NotNativeError("object", { cause: error });
};

type Class = { readonly prototype: object };

/**
 * Puts a class of ours in front of Node's: objects of ours are instances of both, and Node's own are instances of ours,
 * so that `instanceof` holds whichever of them a program has at hand. Every member of Node's is covered by one of ours.
 */
export const standInFor = (own: Class, native: Class): void => {
  Object.setPrototypeOf(own.prototype, native.prototype);
  Object.setPrototypeOf(own, native);
  Object.defineProperty(own, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      // A subclass inherits this and must not match its siblings.
      return Function.prototype[Symbol.hasInstance].call(this === own ? native : this, value);
    },
  });
};

type Inspect = (value: unknown, options: object) => string;

/** How console.log shows objects of a class: its name and what `content` picks. */
export const showAs = (
  kind: { readonly prototype: object },
  name: string,
  content: (value: object) => object,
): void => {
  Object.defineProperty(kind.prototype, Symbol.for("nodejs.util.inspect.custom"), {
    configurable: true,
    value(this: object, depth: number, options: object, inspect: Inspect): string {
      return `${name} ${inspect(content(this), { ...options, depth })}`;
    },
  });
};
