// refused-program.ts — run by refused.test.ts where io_uring is refused: opens this thread's runtime, echoes once over
// it, and prints as JSON what came of it.
import { once } from "node:events";
import net from "node:net";
import { type CoreError, type DriverOption, listen, openRuntime, type Runtime } from "../src/index.ts";

const echoOnce = async (runtime: Runtime): Promise<string> => {
  const listener = await listen({ port: 0, hostname: "127.0.0.1", runtime }, (stream) =>
    stream.attach({
      onData: (lease) => stream.write(lease),
      onEnd: () => stream.end(),
      onDrain: () => {},
      onClose: () => {},
    }),
  );
  const socket = net.connect(listener.address.port, "127.0.0.1");
  socket.end("hello");
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(socket, "close");
  await listener.close();
  return text;
};

const outcome = async (): Promise<unknown> => {
  try {
    const runtime = openRuntime({ driver: process.argv[2] as DriverOption });
    const { kind, reason } = runtime.driver;
    const echo = await echoOnce(runtime);
    runtime.close();
    return { kind, reason, echo };
  } catch (error) {
    const { code, message } = error as CoreError;
    return { code, message };
  }
};

process.stdout.write(JSON.stringify(await outcome()));
