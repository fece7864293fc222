// h1-tls-uring.test.ts — the black-box suite over TLS with HTTP/1.1 on the uring driver.
import t from "tap";
import { nodeClient } from "./node-client.ts";
import { blackBox, openDriver } from "./suite.ts";
import { tls } from "./transport.ts";

const missing = openDriver("uring");
if (missing === null) await blackBox(t, tls(nodeClient));
else t.test("uring", { skip: missing }, async () => {});
