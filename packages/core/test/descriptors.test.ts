import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";
import { connect } from "../src/connect.ts";
import { File } from "../src/files.ts";
import { client, Echo, overDrivers, Recorder, readAll, serve, until } from "./transport.ts";

const run = promisify(execFile);
const PROGRAM = fileURLToPath(new URL("./emfile-program.js", import.meta.url));
const CONNECTIONS = 60;
/** Enough for node itself and the runtime, and for some twenty connections. */
const DESCRIPTORS = 48;

for (const driver of ["uring", "poll"]) {
  t.test(`out of descriptors: accepting pauses, resumes, and everybody is answered [${driver}]`, async (t) => {
    const child: ChildProcess = spawn("prlimit", [`--nofile=${DESCRIPTORS}`, process.execPath, PROGRAM], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, PERCORE_DRIVER: driver },
    });
    t.teardown(() => child.kill("SIGKILL"));
    if (child.stdout === null || child.stdin === null) throw new Error("no pipes");
    const lines = createInterface(child.stdout);
    const [port] = (await once(lines, "line")) as [string];
    const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => client(Number(port))));
    await new Promise((resolve) => setTimeout(resolve, 250));
    const answers = sockets.map(async (socket) => {
      const answer = readAll(socket);
      socket.end("hello");
      return String(await answer) === "hello";
    });
    t.ok((await Promise.all(answers)).every((right) => right));
    child.stdin.end();
    const [line] = (await once(lines, "line")) as [string];
    const met = JSON.parse(line) as Record<string, number>;
    t.ok(met.acceptPauses > 0, `accepting paused ${met.acceptPauses} times`);
    t.equal(met.connectionsAccepted, CONNECTIONS);
    t.same([met.descriptors, met.leases], [0, 0]);
  });
}

/** What a child finds open: 3 is the folder it reads, others were inherited by us already. */
const descriptorsOfChild = async (): Promise<string[]> => {
  const { stdout } = await run("ls", ["/proc/self/fd"]);
  return stdout.trim().split("\n");
};

overDrivers("child processes inherit nothing", {}, async (t, runtime) => {
  const before = await descriptorsOfChild();
  const { listener, port, handlers } = await serve(runtime, (stream) => new Echo(stream));
  const recorder = new Recorder(await connect({ hostname: "127.0.0.1", port, runtime }));
  recorder.stream.attach(recorder);
  const file = await File.open("/dev/null", { runtime });
  await until(() => handlers.length === 1);
  t.same(await descriptorsOfChild(), before);
  await file.close();
  recorder.stream.end();
  await recorder.closed;
  await listener.close();
});
