// response-model.ts — a second reading of RFC 9112 for responses, plain instead of fast: what the bytes behind a request mean.
import { type MessageLimits, readChunks, readFields, UNSURE_LENGTH } from "./model.ts";

export interface ResponseLimits extends MessageLimits {
  informsMax: number;
}

export interface Asked {
  method: string;
  upgrade: string | null;
  /** All of the request has been given. */
  whole: boolean;
}

export interface Told {
  informs: string[];
  /** Status and fields of the final head. */
  head: string;
  body: string;
  trailers: string[] | null;
}

/** How it ends once the server has sent its FIN as well. */
export type ResponseEnd =
  /** A whole response, and the connection may be used again. */
  | "reusable"
  /** A whole response, and it may not. */
  | "closed"
  | "tunnel"
  | "refused"
  /** The end is missing; what there is may have been seen to be bad, or not yet. */
  | "incomplete"
  /** Of a form that may be taken or refused. */
  | "unsure";

export interface ResponseOutcome extends Told {
  end: ResponseEnd;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/;

export const readResponse = (text: string, asked: Asked, limits: ResponseLimits): ResponseOutcome => {
  const told: ResponseOutcome = { informs: [], head: "", body: "", trailers: null, end: "incomplete" };
  const ends = (end: ResponseEnd): ResponseOutcome => ({ ...told, end });
  for (let at = 0; ; ) {
    const headEnd = text.indexOf("\r\n\r\n", at);
    if (headEnd < 0) return ends("incomplete");
    const next = headEnd + 4;
    if (next - at > limits.headBytesMax) return ends("refused");
    const [line, ...fieldLines] = text.slice(at, headEnd).split("\r\n");
    const match = STATUS_LINE.exec(line);
    const fields = readFields(fieldLines, limits);
    if (match === null || fields === null) return ends("refused");
    const [minor, status] = [match[1], Number(match[2])];
    const values = (name: string): string[] =>
      fields.filter((field) => field[0].toLowerCase() === name).map((field) => field[1]);
    const tokens = (name: string): string[] =>
      values(name).flatMap((value) =>
        value
          .toLowerCase()
          .split(",")
          .map((token) => token.trim()),
      );
    if (UNSURE_LENGTH.test(fieldLines.join("\n"))) return ends("unsure");
    const lengths = values("content-length");
    const codings = values("transfer-encoding");
    const connects = asked.method === "CONNECT" && status >= 200 && status < 300;
    if (lengths.length + codings.length > 1) return connects ? ends("unsure") : ends("refused");
    if (lengths.length === 1 && (!/^[0-9]+$/.test(lengths[0]) || BigInt(lengths[0]) >= 2n ** 64n))
      return ends("refused");
    const length = lengths.length === 1 ? Number(lengths[0]) : -1;
    const shown = [String(status), ...fields.map((field) => field.join(": "))].join(", ");
    if (connects) {
      told.head = shown;
      told.body = text.slice(next);
      return asked.whole ? ends("tunnel") : ends("refused");
    }
    if (length > Number.MAX_SAFE_INTEGER) return ends("refused");
    if (codings.length === 1 && (minor === "0" || codings[0].toLowerCase() !== "chunked")) return ends("refused");
    if (status < 200 && (codings.length > 0 || length > 0)) return ends("refused");
    if (status === 101) {
      const agreed = asked.upgrade !== null && tokens("upgrade").includes(asked.upgrade.toLowerCase());
      told.head = shown;
      told.body = text.slice(next);
      return asked.whole && agreed ? ends("tunnel") : ends("refused");
    }
    if (status < 200) {
      if (told.informs.length === limits.informsMax) return ends("refused");
      told.informs.push(shown);
      at = next;
      continue;
    }
    told.head = shown;
    const none = asked.method === "HEAD" || status === 204 || status === 304;
    const open = minor === "1" || tokens("connection").includes("keep-alive");
    let keeps = open && !tokens("connection").includes("close") && asked.whole;
    if (status === 204 && (codings.length > 0 || length > 0)) keeps = false;
    let end = next;
    if (!none && codings.length === 1) {
      const chunks = readChunks(text, next, limits);
      if (typeof chunks === "string") return ends(chunks);
      told.body = chunks.data;
      told.trailers = chunks.trailers;
      end = chunks.next;
    } else if (!none && length < 0) {
      told.body = text.slice(next);
      return ends("closed");
    } else if (!none) {
      if (next + length > text.length) return ends("incomplete");
      told.body = text.slice(next, next + length);
      end = next + length;
    }
    return ends(keeps && end === text.length ? "reusable" : "closed");
  }
};
