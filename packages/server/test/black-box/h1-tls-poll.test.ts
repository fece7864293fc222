// h1-tls-poll.test.ts — the black-box suite over TLS with HTTP/1.1 on the poll driver.
import t from "tap";
import { nodeClient } from "./node-client.ts";
import { blackBox, openDriver } from "./suite.ts";
import { tls } from "./transport.ts";

const missing = openDriver("poll");
if (missing === null) await blackBox(t, tls(nodeClient));
else t.test("poll", { skip: missing }, async () => {});
