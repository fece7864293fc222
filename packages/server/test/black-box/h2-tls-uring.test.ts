// h2-tls-uring.test.ts — the black-box suite over TLS with HTTP/2 on the uring driver.
import t from "tap";
import { h2OverTls } from "./h2-client.ts";
import { blackBox, openDriver } from "./suite.ts";

const missing = openDriver("uring");
if (missing === null) await blackBox(t, h2OverTls());
else t.test("uring", { skip: missing }, async () => {});
