// fake-exchange.ts — an Exchange without a connection: a request made of literals, and a record of what was answered.
import { Arena, type Lease, type Stream } from "@percore/core";
import type { Body, BodyReceiver, ConnectionInfo, Exchange, FieldList, Fields, HttpVersion } from "@percore/http";

export const CONNECTION: ConnectionInfo = {
  id: 1,
  protocol: "h1",
  encrypted: false,
  remote: { family: "ipv4", address: "192.0.2.7", port: 4711 },
  local: { family: "ipv6", address: "::1", port: 80 },
  alpn: null,
};

export class FakeFields implements Fields {
  readonly #list: FieldList;
  /** How often a value was asked for: nothing should be, that nobody reads. */
  reads = 0;

  constructor(list: FieldList) {
    this.#list = list;
  }

  get size(): number {
    return this.#list.length / 2;
  }

  get(name: string): string | undefined {
    const values = this.getAll(name);
    if (values.length === 0) return undefined;
    return name === "set-cookie" ? values[0] : values.join(name === "cookie" ? "; " : ", ");
  }

  getAll(name: string): string[] {
    this.reads += 1;
    return this.#list.filter((_, index) => index % 2 === 1 && this.nameAt((index - 1) / 2) === name);
  }

  has(name: string): boolean {
    return this.count(name) > 0;
  }

  count(name: string): number {
    return this.getAll(name).length;
  }

  nameAt(index: number): string {
    return (this.#list[index * 2] as string).toLowerCase();
  }

  rawNameAt(index: number): string {
    return this.#list[index * 2] as string;
  }

  valueAt(index: number): string {
    this.reads += 1;
    return this.#list[index * 2 + 1] as string;
  }
}

export interface FakeRequest {
  readonly method?: string;
  readonly path?: string;
  readonly authority?: string;
  readonly upgrade?: string | null;
  readonly fields?: FieldList;
  /** Parts of the body, delivered as fast as they are taken. */
  readonly body?: readonly string[];
  readonly bodyLength?: number;
  readonly trailers?: FieldList;
  /** Bytes of the response that are taken before `write` returns false; drained by hand. */
  readonly window?: number;
}

export const arena: Arena = new Arena({ bytes: 4 * 1024 * 1024 });

export class FakeExchange implements Exchange {
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly authority: string;
  readonly scheme = "http";
  readonly version: HttpVersion = "1.1";
  readonly upgrade: string | null;
  readonly fields: FakeFields;
  readonly connection: ConnectionInfo = CONNECTION;
  readonly bodyLength: number;
  onDrain: (() => void) | null = null;
  onAbort: ((reason: Error) => void) | null = null;
  onFinish: ((error: Error | null) => void) | null = null;
  responded = false;
  open = true;
  retained = false;
  abandoned = false;

  // — what happened —
  status = 0;
  head: FieldList = [];
  announced = -2;
  body = "";
  trailers: FieldList | null = null;
  readonly informed: [number, FieldList][] = [];
  aborted: Error | null = null;
  pauses = 0;
  /** True while a window is full. */
  full = false;

  readonly #parts: string[];
  readonly #trailers: FieldList | null;
  readonly #window: number;
  #taken = 0;
  #receiver: BodyReceiver | null = null;
  #paused = false;
  #delivering = false;
  #bodyDone = false;

  constructor(request: FakeRequest = {}) {
    this.method = request.method ?? "GET";
    this.path = request.path ?? "/";
    this.target = this.path;
    this.authority = request.authority ?? "a.example";
    this.upgrade = request.upgrade ?? null;
    this.fields = new FakeFields(request.fields ?? []);
    this.#parts = [...(request.body ?? [])];
    this.#trailers = request.trailers ?? null;
    this.#window = request.window ?? Number.POSITIVE_INFINITY;
    this.bodyLength = request.bodyLength ?? (request.body === undefined ? 0 : this.#parts.join("").length);
  }

  retain(): void {
    this.retained = true;
  }

  receive(receiver: BodyReceiver): void {
    this.#receiver = receiver;
    this.#deliver();
  }

  pauseBody(): void {
    this.#paused = true;
    this.pauses += 1;
  }

  abandonBody(): void {
    this.abandoned = true;
    this.#bodyDone = true;
    this.#receiver = null;
  }

  resumeBody(): void {
    this.#paused = false;
    this.#deliver();
  }

  inform(status: number, fields: FieldList): void {
    this.informed.push([status, fields]);
  }

  respond(status: number, fields: FieldList, body: Body): void {
    this.begin(status, fields, body === null ? 0 : body.length);
    if (body !== null && this.method !== "HEAD") this.write(body);
    this.end();
  }

  begin(status: number, fields: FieldList, bodyLength: number): void {
    if (this.responded) throw new Error("ERR_RESPONSE_STARTED");
    this.responded = true;
    this.status = status;
    this.head = fields;
    this.announced = bodyLength;
  }

  write(chunk: string | Uint8Array): boolean {
    if (!this.open) throw new Error("written after the end");
    if (this.full) throw new Error("written without waiting for onDrain");
    this.body += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    this.#taken += chunk.length;
    this.full = this.#taken >= this.#window;
    return !this.full;
  }

  writeLease(lease: Lease): boolean {
    const room = this.write(lease.bytes.slice());
    lease.release();
    return room;
  }

  /** The client has taken what was queued. */
  drain(): void {
    this.full = false;
    this.#taken = 0;
    this.onDrain?.();
  }

  sendFile(_fd: number, _offset: number, length: number, done: (error: Error | null, sent: number) => void): void {
    this.body += `<file:${length}>`;
    done(null, length);
  }

  end(trailers?: FieldList): void {
    this.trailers = trailers ?? null;
    this.open = false;
    this.onFinish?.(null);
  }

  tunnel(_fields: FieldList): Stream {
    throw new Error("this exchange has no stream");
  }

  abort(error?: Error): void {
    this.aborted = error ?? new Error("aborted");
    this.open = false;
    this.onFinish?.(this.aborted);
  }

  /** The client leaves. */
  leave(): void {
    const gone = Object.assign(new Error("connection reset"), { code: "ECONNRESET" });
    this.open = false;
    if (!this.#bodyDone) this.#receiver?.onBodyError(gone);
    this.#bodyDone = true;
    this.onAbort?.(gone);
    this.onFinish?.(gone);
  }

  /** One more part of a body that is not complete yet. */
  feed(part: string): void {
    this.#parts.push(part);
    this.#deliver();
  }

  #deliver(): void {
    const receiver = this.#receiver;
    if (receiver === null || this.#delivering || this.#bodyDone) return;
    this.#delivering = true;
    while (!this.#paused && this.#parts.length > 0) receiver.onBody(leaseOf(this.#parts.shift() as string));
    this.#delivering = false;
    if (this.#parts.length > 0 || this.#paused || this.bodyLength < 0) return;
    this.#bodyDone = true;
    receiver.onBodyEnd(this.#trailers === null ? null : new FakeFields(this.#trailers));
  }

  /** Ends a body whose length was not known. */
  endBody(): void {
    this.#bodyDone = true;
    this.#receiver?.onBodyEnd(this.#trailers === null ? null : new FakeFields(this.#trailers));
  }
}

const leaseOf = (text: string): Lease => {
  const bytes = new TextEncoder().encode(text);
  const lease = arena.lease(bytes.length);
  arena.u8.set(bytes, lease.offset);
  lease.length = bytes.length;
  return lease;
};
