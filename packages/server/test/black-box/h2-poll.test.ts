// h2-poll.test.ts — the black-box suite over cleartext HTTP/2 on the poll driver.
import t from "tap";
import { h2c } from "./h2-client.ts";
import { blackBox, openDriver } from "./suite.ts";

const missing = openDriver("poll");
if (missing === null) await blackBox(t, h2c);
else t.test("poll", { skip: missing }, async () => {});
