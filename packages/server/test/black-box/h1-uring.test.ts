// h1-uring.test.ts — the black-box suite on the io_uring driver.
import t from "tap";
import { nodeClient } from "./node-client.ts";
import { blackBox, openDriver, TIMEOUT_MS } from "./suite.ts";
import { tcp, unix } from "./transport.ts";

t.setTimeout(TIMEOUT_MS * 2);
const missing = openDriver("uring");
if (missing === null) {
  await blackBox(t, tcp(nodeClient));
  await blackBox(t, unix(nodeClient));
} else {
  t.test("uring", { skip: missing }, async () => {});
}
