// answers.ts — reads what the server wrote, strictly: a plain client that trusts nothing.

export interface ReadResponse {
  status: number;
  fields: [name: string, value: string][];
  body: string;
  trailers: string[];
}

const STATUS_LINE = /^HTTP\/1\.1 ([1-9][0-9]{2}) [\x20-\x7e]*$/;
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ([\t\x20-\x7e\x80-\xff]*)$/;

/**
 * @param methods of the requests, in order: a response to HEAD has no body
 * @throws {Error} saying where the bytes are no responses
 */
export const readResponses = (text: string, methods: readonly string[], ended: boolean): ReadResponse[] => {
  const responses: ReadResponse[] = [];
  let at = 0;
  const fail = (what: string): never => {
    throw new Error(`${what} at ${at} of the answers: ${JSON.stringify(text.slice(Math.max(0, at - 40), at + 80))}`);
  };
  const lines = (): string[] => {
    const end = text.indexOf("\r\n\r\n", at);
    if (end < 0) fail("no end of a head");
    const head = text.slice(at, end).split("\r\n");
    at = end + 4;
    return head;
  };
  while (at < text.length) {
    const [first, ...rest] = lines();
    const match = STATUS_LINE.exec(first) ?? fail("no status line");
    const status = Number(match[1]);
    const fields = rest.map((line): [string, string] => {
      const field = FIELD_LINE.exec(line) ?? fail(`no field line: ${line}`);
      return [field[1].toLowerCase(), field[2]];
    });
    if (status < 200) {
      const hint = status === 103 && fields.length === 1 && fields[0].join() === "link,</a>";
      if (!hint && (fields.length > 0 || status !== 100)) fail("an interim response nobody gave");
      continue;
    }
    const value = (name: string): string | undefined => fields.find((field) => field[0] === name)?.[1];
    const length = value("content-length");
    const chunked = value("transfer-encoding") === "chunked";
    if (length !== undefined && chunked) fail("both lengths");
    const response: ReadResponse = { status, fields, body: "", trailers: [] };
    if (methods[responses.length] !== "HEAD" && status !== 204 && status !== 304) {
      if (chunked) {
        for (;;) {
          const end = text.indexOf("\r\n", at);
          const line = text.slice(at, end);
          if (!/^[0-9a-f]+$/.test(line)) fail("no chunk size");
          const size = Number.parseInt(line, 16);
          at = end + 2;
          if (size === 0) break;
          response.body += text.slice(at, at + size);
          at += size;
          if (text.slice(at, at + 2) !== "\r\n") fail("no end of a chunk");
          at += 2;
        }
        if (text.startsWith("\r\n", at)) at += 2;
        else response.trailers = lines();
      } else if (length !== undefined) {
        response.body = text.slice(at, at + Number(length));
        at += Number(length);
        if (at > text.length) fail("a body that is too short");
      } else if (ended) {
        response.body = text.slice(at);
        at = text.length;
      } else fail("a body without a length");
    }
    responses.push(response);
  }
  return responses;
};
