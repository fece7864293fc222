// h2-uring.test.ts — the black-box suite over cleartext HTTP/2 on the uring driver.
import t from "tap";
import { h2c } from "./h2-client.ts";
import { blackBox, openDriver } from "./suite.ts";

const missing = openDriver("uring");
if (missing === null) await blackBox(t, h2c);
else t.test("uring", { skip: missing }, async () => {});
