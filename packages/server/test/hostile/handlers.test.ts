// handlers.test.ts — handlers that go wrong, and peers that try to speak through them.
import { t } from "tap";
import { RawClient } from "./raw-client.ts";
import { attack } from "./settled.ts";
import { TARGETS } from "./targets.ts";

/** What the handlers throw, and what they are told of a field that cannot be sent. */
const REPORTS = /^Error: secret|^HttpError: value of field/;

attack(t, TARGETS, { reports: REPORTS }, async (t, target) => {
  for (const path of ["/throw", "/reject"]) {
    await t.test(`${path}: 500, and the connection goes on or closes in good order`, async (t) => {
      const client = await RawClient.open(target.port);
      await client.send(
        `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
      t.ok(await client.closed(5_000), "closed at the end");
      t.equal(client.protocolError, null);
      t.equal(client.answers[0]?.status, 500);
      t.notMatch(client.answers[0]?.body, /at .*:\d+|Error:|secret/, "nothing of the error gets out");
      await client.dispose();
    });
  }

  for (const [name, value] of [
    ["CR LF", "a%0d%0aX-Injected:%20b"],
    ["CR", "a%0dX-Injected:%20b"],
    ["LF", "a%0aX-Injected:%20b"],
    ["NUL", "a%00b"],
    ["a whole response", "a%0d%0aContent-Length:%200%0d%0a%0d%0aHTTP/1.1%20200%20OK%0d%0aX-Injected:%20b"],
    ["a letter whose low byte is LF", "a%E5%98%8AX-Injected:%20b"],
    ["a letter whose low byte is CR", "a%E5%98%8DX-Injected:%20b"],
  ]) {
    await t.test(`response splitting by ${name}`, async (t) => {
      const client = await RawClient.open(target.port);
      await client.send(`GET /field?${value} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      t.ok(await client.closed(5_000));
      t.equal(client.protocolError, null, "the answer is well formed");
      t.equal(client.answers.length, 1, "one answer");
      t.ok(["200", "500"].includes(String(client.answers[0]?.status)));
      t.notOk(client.answers[0]?.fields.has("x-injected"), "no field of the attacker's");
      await client.dispose();
    });
  }
});
