// fields.ts — header and trailer fields as a protocol received them: decoded only when somebody asks.

/**
 * Fields of a received message, in the order they came (RFC 9110 §5). Names are compared without case; implementations
 * decode nothing until asked and stay valid as long as the exchange they belong to.
 */
export interface Fields {
  /** Number of field lines. */
  readonly size: number;
  /**
   * Value of `name` (lower case), or undefined. Several lines are joined with ", " (cookie: "; "), as RFC 9110 §5.3
   * allows; set-cookie is not joined: its first line is returned, use `getAll`.
   */
  get(name: string): string | undefined;
  /** The value of every line of `name` (lower case), in order. */
  getAll(name: string): string[];
  has(name: string): boolean;
  /** Lines of `name` (lower case) without decoding their values. */
  count(name: string): number;
  /** Name of line `index` (0..size-1), lower case. */
  nameAt(index: number): string;
  /** Name of line `index` as the peer spelt it (HTTP/2: lower case). */
  rawNameAt(index: number): string;
  valueAt(index: number): string;
}

/**
 * Fields of a message to send: name, value, name, value, … Flat, so that a constant list costs nothing per message.
 * Names are sent as given by HTTP/1.1 and in lower case by HTTP/2. Validated when written: a name that is no token or a
 * value with CR, LF or NUL throws ERR_FIELD_INVALID before a byte is sent.
 */
export type FieldList = readonly string[];

export const NO_FIELDS: FieldList = Object.freeze([]);
