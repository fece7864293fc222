// saturation-load.ts — a thread that keeps a server busy: each connection sends again as soon as its echo is complete.
import net from "node:net";
import { parentPort, workerData } from "node:worker_threads";

const { port, connections, messageBytes } = workerData as { port: number; connections: number; messageBytes: number };
const message = Buffer.alloc(messageBytes, 1);
let connected = 0;

for (let at = 0; at < connections; at += 1) {
  const socket = net.connect(port, "127.0.0.1", () => {
    connected += 1;
    if (connected === connections) parentPort?.postMessage("connected");
    socket.write(message);
  });
  let got = 0;
  socket.on("error", () => {});
  socket.on("data", (part) => {
    got += part.length;
    if (got < messageBytes) return;
    got = 0;
    socket.write(message);
  });
}
