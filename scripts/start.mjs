// start.mjs — `npm start`: sets up and runs Percore's demo server in the foreground; Ctrl-C ends it. Options after
// `--` go to the server: npm start -- --port 8080 --workers 2
import { spawn } from "node:child_process";
import path from "node:path";
import { orExit, setup } from "./setup.mjs";
import { ROOT } from "./workspace.mjs";

await orExit(setup);
const program = path.join(ROOT, "packages", "server", "dist", "cli", "main.js");
const child = spawn(process.execPath, [program, "demo", ...process.argv.slice(2)], { stdio: "inherit" });
// The terminal sends Ctrl-C to the whole group; a supervisor's SIGTERM reaches only us, so it is passed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.once("exit", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
});
