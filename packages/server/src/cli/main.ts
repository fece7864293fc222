#!/usr/bin/env node
// main.ts — the `percore` command.
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { doctor } from "./doctor.ts";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
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

await program.parseAsync();
