// A server that answers lines: the tests' program under supervision. Options come as JSON in argv.
import { gettid } from "@percore/native";
import {
  type AcquiredListener,
  acquireListener,
  isSupervised,
  onDrain,
  type RentStream,
  type RunOptions,
  rent,
  run,
  sharedBuffers,
  sleep,
} from "../../../src/index.ts";

interface ServerOptions {
  run: RunOptions;
  listen: { port?: number; unix?: string; fd?: number; hostname?: string }[];
  /** Printed when draining starts, and how long it takes. */
  drainTakesMs?: number;
  mainNever?: boolean;
  mainFails?: string;
}

const options = JSON.parse(process.argv[2] ?? "{}") as ServerOptions;

const spin = (ms: number): void => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

const answer = async (stream: RentStream, line: string, index: number): Promise<string | null> => {
  const [word, argument] = line.split(" ");
  switch (word) {
    case "who":
      return `${index}`;
    case "supervised":
      return `${isSupervised()}`;
    case "tid":
      return `${gettid()}`;
    case "uid":
      return `${process.getuid?.()}`;
    case "shared":
      return `${sharedBuffers("core").length}`;
    case "throw":
      setTimeout(() => {
        throw new Error("thrown on request");
      }, 0);
      return null;
    case "exit":
      process.exit(Number(argument));
      return null;
    case "spin":
      await stream.writeBytes(Buffer.from("spinning\n"));
      await stream.flush();
      spin(Number(argument));
      throw process.nextTick(() => {
        throw new Error("thrown after spinning");
      });
    default:
      return line;
  }
};

const serve = async (stream: RentStream, index: number): Promise<void> => {
  let text = "";
  for await (const lease of stream) {
    text += Buffer.from(lease.bytes).toString();
    lease.release();
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const reply = await answer(stream, line, index);
      if (reply !== null) await stream.writeBytes(Buffer.from(`${reply}\n`));
    }
  }
  await stream.end();
};

const running = run(async ({ index, workers, signal }) => {
  const streams = new Set<RentStream>();
  const listeners: AcquiredListener[] = [];
  for (const target of options.listen ?? []) {
    listeners.push(
      await acquireListener(target, (socket) => {
        const stream = rent(socket);
        streams.add(stream);
        void stream.closed.then(() => streams.delete(stream));
        serve(stream, index).catch(() => stream.reset());
      }),
    );
  }
  console.log(`worker ${index} of ${workers} listens on ${listeners.map((one) => one.address.port).join(" ")}`);
  if (options.drainTakesMs !== undefined) {
    onDrain(async () => {
      console.log(`worker ${index} drains`);
      await Promise.all(listeners.map((listener) => listener.close()));
      await sleep(options.drainTakesMs ?? 0);
      for (const stream of streams) stream.end().catch(() => {});
      console.log(`worker ${index} is drained`);
    });
  }
  if (options.mainFails !== undefined) throw Object.assign(new Error("main failed"), { code: options.mainFails });
  if (options.mainNever) await new Promise((resolve) => signal.addEventListener("abort", resolve));
}, options.run);

console.log("supervising");
process.on("SIGUSR2", () => {
  for (const report of running.workers()) console.log(`report ${JSON.stringify(report)}`);
});
process.on("SIGPWR", () => process.exit(3));
process.on("SIGHUP", () => {
  void running.restart().then(() => console.log("restarted"));
});
const scale = (workers: number): void => {
  void running.scale(workers).then(() => console.log(`scaled to ${workers}`));
};
process.on("SIGALRM", () => scale(3));
process.on("SIGIO", () => scale(1));
running.then(
  () => console.log("all mains ended"),
  (error: NodeJS.ErrnoException) => {
    console.log(`failed: ${error.code} ${error.message}`);
    process.exitCode = 7;
  },
);
