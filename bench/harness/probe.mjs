// Checks a server's answers before its figures are believed: version, status, length, every byte of the body, and order.
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const HEAD_END = Buffer.from("\r\n\r\n");

/** Sends the bytes of `request` and reads until `count` answers are complete or the server closes. */
const exchange = (port, request, count, timeoutMs) =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const answers = [];
    let pending = Buffer.alloc(0);
    const settle = (error) => {
      clearTimeout(timer);
      socket.destroy();
      if (error === undefined) resolve(answers);
      else reject(error);
    };
    const timer = setTimeout(() => settle(new Error(`no complete answer in ${timeoutMs} ms`)), timeoutMs);
    socket.on("error", settle);
    socket.on("close", () => settle(new Error("the connection was closed before the answer was complete")));
    socket.on("connect", () => socket.write(request));
    socket.on("data", (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      while (answers.length < count) {
        const end = pending.indexOf(HEAD_END);
        if (end < 0) return;
        const head = pending.toString("latin1", 0, end);
        const length = /^content-length: *(\d+)\r?$/im.exec(`${head}\r\n`)?.[1];
        if (length === undefined) return settle(new Error(`an answer without content-length:\n${head}`));
        const size = end + HEAD_END.length + Number(length);
        if (pending.length < size) return;
        answers.push({ head, body: pending.subarray(end + HEAD_END.length, size) });
        pending = pending.subarray(size);
      }
      settle();
    });
  });

/** One answer by Node's own client of the protocol. @returns {Promise<{ status: number, body: Buffer }>} */
const ask = async (port, one) => {
  const url = `${one.wire.tls ? "https" : "http"}://127.0.0.1:${port}`;
  const head = { ":path": one.path, ":method": one.upload === undefined ? "GET" : "POST" };
  const secure = one.wire.tls ? https : http;
  const session = one.wire.protocol === "h2" ? http2.connect(url, { rejectUnauthorized: false }) : null;
  const request =
    session === null
      ? secure.request(`${url}${one.path}`, { rejectUnauthorized: false, agent: false, method: head[":method"] })
      : session.request({ ...head, ...Object.fromEntries(one.fields ?? []) });
  const [response] = await Promise.all([once(request, "response"), request.end(one.upload)]);
  const stream = session === null ? response[0] : request;
  const body = Buffer.concat(await stream.toArray());
  session?.close();
  return { status: session === null ? stream.statusCode : response[0][":status"], body };
};

const checkAnswer = async (port, one) => {
  const { status, body } = await ask(port, one);
  if (status !== 200) throw new Error(`answered ${status}`);
  if (!body.equals(one.body)) throw new Error(`a body of ${body.length} bytes that differs from the one expected`);
};

/**
 * @param {number} port
 * @param {import("./cases.mjs").Case} one
 * @throws when an answer is not exactly what the case asks for
 */
export const checkAnswers = async (port, one) => {
  if (one.generator !== undefined) return checkAnswer(port, one);
  const count = one.mode === "churn" ? 1 : Math.max(2, one.pipeline);
  const answers = await exchange(port, Buffer.concat(Array(count).fill(one.request)), count, 5000);
  for (const { head, body } of answers) {
    if (!head.startsWith("HTTP/1.1 200")) throw new Error(`answered "${head.split("\r\n")[0]}"`);
    if (!body.equals(one.body)) throw new Error(`a body of ${body.length} bytes that differs from the one expected`);
  }
};

/** Resolves once the server accepts connections on the port. */
export const waitForPort = async (port, started, timeoutMs = 15_000) => {
  const end = Date.now() + timeoutMs;
  let status;
  started.ended.then((value) => {
    status = value ?? "signal";
  });
  while (Date.now() < end) {
    if (status !== undefined) throw new Error(`ended at once (${status}): ${started.output.error.trim()}`);
    const open = await new Promise((resolve) => {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
    if (open) return;
    await sleep(20);
  }
  throw new Error(`does not listen after ${timeoutMs} ms: ${started.output.error.trim()}`);
};
