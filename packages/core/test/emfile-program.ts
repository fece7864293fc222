// emfile-program.ts — run where few descriptors are allowed: an echo server that says its port, and at the end what it met.
// It imports nothing of the test framework, which alone would need more descriptors than that.
import { listen } from "../src/listener.ts";
import { openRuntime } from "../src/runtime.ts";

const runtime = openRuntime({ arenaBytes: 64 * 1024 * 1024 });
const listener = await listen({ port: 0, hostname: "127.0.0.1" }, (stream) => {
  stream.attach({
    onData: (lease) => stream.write(lease),
    onEnd: () => stream.end(),
    onDrain: () => {},
    onClose: () => {},
  });
});
process.stdout.write(`${listener.address.port}\n`);
process.stdin.resume();
process.stdin.once("end", async () => {
  await listener.close();
  const report = (): void => {
    if (runtime.stats.owners > 0) {
      setTimeout(report, 1);
      return;
    }
    const { acceptPauses, connectionsAccepted, descriptors, leases } = runtime.stats;
    process.stdout.write(`${JSON.stringify({ acceptPauses, connectionsAccepted, descriptors, leases })}\n`);
    runtime.close();
  };
  report();
});
