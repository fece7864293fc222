// refused.ts — run by refused.test.ts where io_uring is refused: serves with the driver and the workers of its arguments, asks
// itself once, and prints as JSON what came of it.
import { isMainThread } from "node:worker_threads";
import { type ServeOptions, serve } from "../../src/index.ts";

const [driver, workers] = process.argv.slice(2);

const outcome = async (): Promise<unknown> => {
  try {
    const server = serve({
      port: 0,
      hostname: "127.0.0.1",
      driver: driver as ServeOptions["driver"],
      workers: Number(workers),
      fetch: () => new Response("served"),
    });
    await server.ready;
    if (!isMainThread) return null;
    const answer = await (await fetch(server.url as string)).text();
    const { kind, reason } = server.driver ?? {};
    const kinds = server.workers().map((worker) => worker.driver);
    await server.close();
    return { kind, reason, kinds, answer };
  } catch (error) {
    const { code, message } = error as Error & { code: string };
    return { code, message };
  }
};

const came = await outcome();
if (isMainThread) process.stdout.write(JSON.stringify(came));
