// h2-tls-poll.test.ts — the black-box suite over TLS with HTTP/2 on the poll driver.
import t from "tap";
import { h2OverTls } from "./h2-client.ts";
import { blackBox, openDriver } from "./suite.ts";

const missing = openDriver("poll");
if (missing === null) await blackBox(t, h2OverTls());
else t.test("poll", { skip: missing }, async () => {});
