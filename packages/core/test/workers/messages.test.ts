import t from "tap";
import { CoreError, SystemError } from "../../src/errors.ts";
import { fromWire, toWire } from "../../src/workers/messages.ts";

t.test("errors keep class, code, message and stack across threads", async (t) => {
  for (const error of [
    new SystemError("bind", 98, "127.0.0.1:80"),
    new SystemError("bind", 98),
    new CoreError("ERR_OPTION_INVALID", "not that"),
    Object.assign(new TypeError("wrong"), { code: "ERR_OF_MINE" }),
    new Error("plain"),
  ]) {
    const back = fromWire(structuredClone(toWire(error)));
    t.match(back, { name: error.name, message: error.message, stack: error.stack });
    t.equal((back as NodeJS.ErrnoException).code, (error as NodeJS.ErrnoException).code);
    if (error instanceof CoreError) t.type(back, CoreError);
    if (error instanceof SystemError) t.match(back, { syscall: "bind", errno: 98 });
  }
  t.equal(fromWire(toWire("a string")).message, "a string");
});
