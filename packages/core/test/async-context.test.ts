import { AsyncLocalStorage } from "node:async_hooks";
import type { Lease } from "../src/lease.ts";
import { WheelEntry } from "../src/wheel.ts";
import { client, overDrivers, Recorder, serve, turn, until } from "./transport.ts";

const storage = new AsyncLocalStorage<string>();

overDrivers("what one handler stores in its async context is not seen by what it wakes", {}, async (t, runtime) => {
  const seen: (string | undefined)[] = [];
  class Looking extends Recorder {
    override onData(lease: Lease): void {
      super.onData(lease);
      seen.push(storage.getStore());
    }
    override onDrain(): void {
      seen.push(storage.getStore());
    }
  }
  const { listener, port, handlers } = await serve(runtime, (stream) => new Looking(stream));
  const sockets = [await client(port), await client(port)];
  await until(() => handlers.length === 2);
  handlers[1].stream.pause();
  await turn();
  for (const socket of sockets) socket.write("hello");
  await until(() => seen.length === 1);
  // In the context of one, everything that is delivered later is scheduled: by a microtask, and by the first deadline.
  let fired = false;
  storage.run("mine", () => {
    handlers[1].stream.resume();
    handlers[0].stream.writeBytes(new Uint8Array(200_000));
    const deadline = new WheelEntry(() => {
      seen.push(storage.getStore());
      fired = true;
    });
    runtime.wheel.set(deadline, performance.now() + 100);
  });
  await until(() => fired && seen.length >= 4);
  t.same(seen, [undefined, undefined, undefined, undefined]);
  for (const socket of sockets) socket.resetAndDestroy();
  await until(() => runtime.stats.connections === 0);
  await listener.close();
});
