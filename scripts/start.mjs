// start.mjs — `npm start`: sets up and runs Percore's proxy before two small servers, with TLS by a certificate made for this
// machine, in the foreground; Ctrl-C ends it. Options after `--` go to it: npm start -- --port 8080 --workers 2
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { orExit, setup } from "./setup.mjs";
import { CACHE, ROOT } from "./workspace.mjs";

await orExit(setup);

const percore = path.join(ROOT, "packages", "server", "dist", "cli", "main.js");
const proxy = path.join(ROOT, "packages", "proxy", "dist", "cli", "main.js");
const folder = path.join(CACHE, "demo");
const [cert, key] = ["cert.pem", "key.pem"].map((name) => path.join(folder, name));

/** Made once. Without it the demo runs all the same, in the clear. */
const hasCertificate = () => {
  if (existsSync(cert)) return true;
  mkdirSync(folder, { recursive: true });
  return spawnSync(process.execPath, [percore, "cert", "dev", "--out", folder]).status === 0;
};

const tls = hasCertificate() ? ["--cert", cert, "--key", key] : [];
const child = spawn(process.execPath, [proxy, "demo", ...tls, ...process.argv.slice(2)], { stdio: "inherit" });
// The terminal sends Ctrl-C to the whole group; a supervisor's SIGTERM reaches only us, so it is passed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.once("exit", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
});
