#!/usr/bin/env node
// main.ts — the `percore` command.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import type { DemoOptions } from "../demo.ts";
import { doctor } from "./doctor.ts";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const port = (text: string): number => {
  const number = Number(text);
  if (/^\d+$/.test(text) && number <= 65_535) return number;
  throw new InvalidArgumentError("A port is a number from 0 to 65535.");
};

const workers = (text: string): number | "auto" => {
  if (text === "auto") return text;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= 1024) return number;
  throw new InvalidArgumentError('Workers are a number from 1 to 1024, or "auto".');
};

const program = new Command("percore")
  .description("Percore: a thread-per-core HTTP server for Node.js")
  .version(manifest.version)
  .showHelpAfterError();

program
  .command("doctor")
  .description("check this machine; exit with status 1 when something makes Percore slow or unusable")
  .option("--json", "facts and findings for programs")
  .action(async (options: { json?: boolean }) => {
    process.exitCode = await doctor({
      json: options.json ?? false,
      colour: process.stdout.isTTY && !process.env.NO_COLOR,
      write: (text) => process.stdout.write(text),
    });
  });

program
  .command("demo")
  .description("run a server to try Percore with")
  .option("-p, --port <number>", "port to listen on; 0 takes a free one (default: 3000)", port)
  .option("--hostname <name>", "name or address to listen on (default: every address)")
  .option("--unix <path>", "Unix socket to listen on, instead of a port")
  .option("-w, --workers <number>", 'threads that serve, or "auto" for one per core (default: 1)', workers)
  .addOption(new Option("--driver <name>", "how to talk to the kernel").choices(["auto", "uring", "poll"]))
  .action(async (options: DemoOptions) => {
    // Loaded here: `percore doctor` has to work where the addon does not load.
    const { demo } = await import("../demo.ts");
    demo(options);
  });

const days = (text: string): number => {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= 398) return number;
  throw new InvalidArgumentError(
    "Days are a number from 1 to 398: browsers refuse certificates that are good for longer.",
  );
};

program
  .command("cert")
  .description("certificates")
  .command("dev")
  .description("make a certificate for this machine, to develop against")
  .argument("[names...]", "names and addresses it is good for (default: localhost, 127.0.0.1, ::1)")
  .option("-o, --out <folder>", "folder that gets cert.pem and key.pem", ".")
  .option("--days <number>", "how long it is good for", days, 90)
  .option("--client", "for a client, to be shown to servers", false)
  .option("--force", "replace files that are there", false)
  .action(async (names: string[], options: { out: string; days: number; client: boolean; force: boolean }) => {
    const { writeDevCertificate } = await import("./dev-certificate.ts");
    await writeDevCertificate({ names, ...options }, (text) => process.stdout.write(text));
  });

/** The proxy is a package of its own, which needs this one: it is looked for, not depended on. */
const proxyCommand = async (...args: string[]): Promise<void> => {
  const resolve = [import.meta.url, path.join(process.cwd(), "package.json")].map(
    (from) => createRequire(from).resolve,
  );
  for (const find of resolve) {
    let found: string;
    try {
      found = find("@percore/proxy/cli");
    } catch {
      continue;
    }
    const { runCommand } = (await import(pathToFileURL(found).href)) as {
      runCommand(argv: string[], name: string): Promise<void>;
    };
    await runCommand([...process.argv.slice(0, 2), ...args], "percore proxy");
    return;
  }
  throw new Error("the proxy is a package of its own: npm install @percore/proxy");
};

program
  .command("proxy")
  .description("run the reverse proxy: percore proxy --from :8080 --to localhost:3000 (needs @percore/proxy)")
  .allowUnknownOption()
  .allowExcessArguments()
  .helpOption(false)
  .action(() => proxyCommand(...process.argv.slice(3)));

program
  .command("check")
  .description("say what is wrong with a proxy's configuration (needs @percore/proxy)")
  .allowUnknownOption()
  .allowExcessArguments()
  .helpOption(false)
  .action(() => proxyCommand("check", ...process.argv.slice(3)));

try {
  await program.parseAsync();
} catch (error) {
  // Options that exclude each other, a driver that does not work: the message says it all.
  process.stderr.write(`percore: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
