#!/usr/bin/env node
// main.ts — the `percore-proxy` command.
import { runCommand } from "./command.ts";

await runCommand(process.argv, "percore-proxy");
