// answer-reader.ts — reads HTTP/1.x responses off a byte stream as strictly as RFC 9112 allows, so that a server that
// answers out of frame is caught.

export interface Answer {
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly body: string;
}

/** What stops a response from being one. */
export class AnswerError extends Error {}

const STATUS_LINE = /^HTTP\/1\.[01] ([1-5]\d\d) [\t -~\x80-\xff]*$/;
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*$/;
const CHUNK_LINE = /^([0-9A-Fa-f]{1,8})$/;

/** Feeds on chunks; hands out complete answers in `answers`. Interim responses are listed apart. */
export class AnswerReader {
  readonly answers: Answer[] = [];
  readonly interim: Answer[] = [];
  /** Bodies longer than this are counted and not kept. */
  bodyKeptMax = 65_536;
  /** Methods of the requests in order, where one of them is HEAD or CONNECT; others are taken for GET. */
  readonly #methods: readonly string[];
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;
  bytes = 0;

  constructor(methods: readonly string[] = []) {
    this.#methods = methods;
  }

  /** @throws {AnswerError} when the bytes so far cannot be a sequence of responses. */
  push(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#take());
  }

  /** @throws {AnswerError} when the stream ended within a response. */
  end(): void {
    this.#ended = true;
    while (this.#take());
    if (this.#rest.length > 0) throw new AnswerError(`the stream ends within a response: ${this.#preview()}`);
  }

  #preview(): string {
    return JSON.stringify(this.#rest.subarray(0, 80).toString("latin1"));
  }

  #take(): boolean {
    if (this.#rest.length === 0) return false;
    const headEnd = this.#rest.indexOf("\r\n\r\n");
    if (headEnd < 0) {
      if (this.#rest.length > 65_536) throw new AnswerError("no end of the response head within 64 KiB");
      if (this.#rest.length >= 7 && !this.#rest.subarray(0, 7).equals(Buffer.from("HTTP/1."))) {
        throw new AnswerError(`not a response: ${this.#preview()}`);
      }
      return false;
    }
    const lines = this.#rest.subarray(0, headEnd).toString("latin1").split("\r\n");
    const status = Number(STATUS_LINE.exec(lines[0])?.[1] ?? 0);
    if (status === 0) throw new AnswerError(`no status line: ${JSON.stringify(lines[0].slice(0, 80))}`);
    const fields = new Map<string, string>();
    for (const line of lines.slice(1)) {
      const match = FIELD_LINE.exec(line);
      if (match === null) throw new AnswerError(`no field line: ${JSON.stringify(line.slice(0, 80))}`);
      const name = match[1].toLowerCase();
      fields.set(name, fields.has(name) ? `${fields.get(name)}, ${match[2]}` : match[2]);
    }
    const body = this.#takeBody(status, fields, headEnd + 4);
    if (body === undefined) return false;
    const answer = { status, fields, body };
    if (status < 200 && status !== 101) this.interim.push(answer);
    else this.answers.push(answer);
    return true;
  }

  /** Consumes head and body when the body is complete. */
  #takeBody(status: number, fields: ReadonlyMap<string, string>, at: number): string | undefined {
    const method = this.#methods[this.answers.length] ?? "GET";
    const tunnel = status === 101 || (method === "CONNECT" && status >= 200 && status < 300);
    if (method === "HEAD" || status < 200 || status === 204 || status === 304 || tunnel) return this.#consume(at, at);
    const coding = fields.get("transfer-encoding");
    const length = fields.get("content-length");
    if (coding !== undefined && length !== undefined)
      throw new AnswerError("both transfer-encoding and content-length");
    if (coding !== undefined) return coding === "chunked" ? this.#takeChunks(at) : this.#untilEnd(at);
    if (length === undefined) return this.#untilEnd(at);
    if (!/^\d+$/.test(length)) throw new AnswerError(`content-length: ${length}`);
    return this.#rest.length < at + Number(length) ? undefined : this.#consume(at, at + Number(length));
  }

  #untilEnd(at: number): string | undefined {
    return this.#ended ? this.#consume(at, this.#rest.length) : undefined;
  }

  #takeChunks(start: number): string | undefined {
    const parts: Buffer[] = [];
    let at = start;
    for (;;) {
      const lineEnd = this.#rest.indexOf("\r\n", at);
      if (lineEnd < 0) return undefined;
      const line = this.#rest.subarray(at, lineEnd).toString("latin1");
      const size = CHUNK_LINE.exec(line)?.[1];
      if (size === undefined) throw new AnswerError(`chunk size: ${JSON.stringify(line.slice(0, 40))}`);
      at = lineEnd + 2;
      const bytes = Number.parseInt(size, 16);
      if (bytes === 0) break;
      if (this.#rest.length < at + bytes + 2) return undefined;
      parts.push(this.#rest.subarray(at, at + bytes));
      at += bytes + 2;
      if (this.#rest[at - 2] !== 13 || this.#rest[at - 1] !== 10) throw new AnswerError("no CRLF after chunk data");
    }
    const trailerEnd = this.#rest.subarray(at, at + 2).equals(Buffer.from("\r\n"))
      ? at
      : this.#rest.indexOf("\r\n\r\n", at) + 2;
    if (trailerEnd < at || this.#rest.length < trailerEnd + 2) return undefined;
    const body = Buffer.concat(parts).toString("latin1");
    this.#consume(trailerEnd + 2, trailerEnd + 2);
    return body;
  }

  #consume(from: number, to: number): string {
    const kept = Math.min(to, from + this.bodyKeptMax);
    const body = this.#rest.subarray(from, kept).toString("latin1");
    this.#rest = this.#rest.subarray(to);
    return body;
  }
}
