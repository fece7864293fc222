// machine.mjs — the machine in one line: every result names where it was measured.
import os from "node:os";

export const describeMachine = () => {
  const gib = (os.totalmem() / 2 ** 30).toFixed(0);
  const model = os.cpus()[0]?.model.trim() ?? "unknown processor";
  return `Node ${process.versions.node}, ${os.type()} ${os.release()} ${os.machine()}, ${os.availableParallelism()} × ${model}, ${gib} GiB`;
};
