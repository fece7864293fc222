// guests.ts — clients of every manner for the soak: good ones, hasty ones, rude ones. Each scenario is one connection.
import { RawClient } from "../hostile/raw-client.ts";
import type { Random } from "./random.ts";

const ANSWER_MS = 20_000;
const BODY_MAX = 200_000;
const BODY = new Uint8Array(BODY_MAX).fill(0x62);

/** What went otherwise than it must; null when nothing did. */
type Complaint = string | null;
type Guest = (port: number, random: Random) => Promise<Complaint>;

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n`;
const post = (path: string, size: number): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`;

const withClient = async (port: number, work: (client: RawClient) => Promise<Complaint>): Promise<Complaint> => {
  const client = await RawClient.open(port);
  client.reader.bodyKeptMax = 1_024;
  try {
    const complaint = await work(client);
    return client.protocolError === null ? complaint : client.protocolError.message;
  } finally {
    await client.dispose();
  }
};

const expectAnswer = (client: RawClient, at: number, body: string): Complaint => {
  const answer = client.answers[at];
  if (answer === undefined) return `no answer to "${body}"`;
  return answer.status === 200 && answer.body === body ? null : `${answer.status} "${answer.body}" to "${body}"`;
};

/** Asks a few times on one connection. */
const regular: Guest = (port, random) =>
  withClient(port, async (client) => {
    const count = 1 + random.below(20);
    for (let at = 0; at < count; at += 1) {
      await client.send(get(`/regular/${at}`));
      await client.answered(at + 1, ANSWER_MS);
      const complaint = expectAnswer(client, at, `GET /regular/${at} 0`);
      if (complaint !== null) return complaint;
    }
    return null;
  });

const uploader: Guest = (port, random) =>
  withClient(port, async (client) => {
    const size = random.below(BODY_MAX);
    await client.send(post("/upload", size));
    await client.send(BODY.subarray(0, size));
    await client.answered(1, ANSWER_MS);
    return expectAnswer(client, 0, `POST /upload ${size}`);
  });

const chunker: Guest = (port, random) =>
  withClient(port, async (client) => {
    await client.send("POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let sum = 0;
    for (let left = random.below(30); left > 0; left -= 1) {
      const size = 1 + random.below(8_000);
      sum += size;
      await client.send(`${size.toString(16)};n=${left}\r\n`);
      await client.send(BODY.subarray(0, size));
      await client.send("\r\n");
    }
    await client.send("0\r\nX-Sum: 1\r\n\r\n");
    await client.answered(1, ANSWER_MS);
    return expectAnswer(client, 0, `POST /chunks ${sum}`);
  });

const pipeliner: Guest = (port, random) =>
  withClient(port, async (client) => {
    const count = 2 + random.below(200);
    await client.send(Array.from({ length: count }, (_, at) => get(`/pipe/${at}`)).join(""));
    await client.answered(count, ANSWER_MS);
    for (let at = 0; at < count; at += 1) {
      const complaint = expectAnswer(client, at, `GET /pipe/${at} 0`);
      if (complaint !== null) return complaint;
    }
    return null;
  });

/** Asks for much, reads a little, and is gone. */
const quitter: Guest = (port, random) =>
  withClient(port, async (client) => {
    const enough = random.below(1_000_000);
    await client.send(get("/big"));
    await client.until(() => client.reader.bytes >= enough || client.ending !== null, ANSWER_MS);
    if (random.below(2) === 0) client.reset();
    return null;
  });

/** Leaves at a random byte, by RST or without a word. */
const aborter: Guest = (port, random) =>
  withClient(port, async (client) => {
    const whole = random.pick([
      get("/gone"),
      `${post("/gone", 50)}${"b".repeat(50)}`,
      get("/a") + get("/b") + get("/c"),
      post("/hold", 90_000) + "b".repeat(60_000),
    ]);
    await client.send(whole.slice(0, random.below(whole.length)));
    if (random.below(2) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(10)));
    if (random.below(2) === 0) client.reset();
    return null;
  });

/** Is left waiting, and leaves. */
const waiter: Guest = (port, random) =>
  withClient(port, async (client) => {
    await client.send(get("/stall"));
    await new Promise((resolve) => setTimeout(resolve, random.below(100)));
    if (random.below(2) === 0) client.reset();
    return null;
  });

const vandal: Guest = (port, random) =>
  withClient(port, async (client) => {
    await client.send(
      random.pick([
        "GET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: nonsense\r\nContent-Length: 5\r\n\r\nhello",
      ]),
    );
    if (!(await client.closed(ANSWER_MS))) return "a broken request was not closed";
    const [answer] = client.answers;
    return answer === undefined || answer.status >= 400 ? null : `a broken request was answered ${answer.status}`;
  });

const thrower: Guest = (port) =>
  withClient(port, async (client) => {
    await client.send(get("/throw"));
    await client.answered(1, ANSWER_MS);
    return client.answers[0]?.status === 500 ? null : `${client.answers[0]?.status} when the handler throws`;
  });

const GUESTS: readonly (readonly [weight: number, guest: Guest])[] = [
  [30, regular],
  [10, uploader],
  [10, chunker],
  [10, pipeliner],
  [6, quitter],
  [20, aborter],
  [6, waiter],
  [6, vandal],
  [2, thrower],
];
const WEIGHTS = GUESTS.reduce((sum, [weight]) => sum + weight, 0);

/** One connection of a guest drawn at random. */
export const visit = (port: number, random: Random): Promise<Complaint> => {
  let at = random.below(WEIGHTS);
  for (const [weight, guest] of GUESTS) {
    if (at < weight) return guest(port, random);
    at -= weight;
  }
  return regular(port, random);
};
