// target.ts — the program that is attacked: one server in a process of its own, asked and steered over the IPC channel.
import { readdirSync } from "node:fs";
import { type MemoryParts, memoryParts } from "./memory-parts.ts";
import { startNodeService } from "./node-service.ts";
import type { Gauges, ServiceLog, ServiceOptions } from "./service.ts";
import { fillYoung } from "./young.ts";

export type Question =
  | { readonly ask: "gauges" | "take" | "collect" | "weigh" | "close" }
  | { readonly ask: "keep"; readonly on: boolean };

const LOOKS = 10;
const LOOK_EVERY_MS = 50;

const log: ServiceLog = { handled: [], calls: 0, keep: true };
const options = JSON.parse(process.argv[2]) as ServiceOptions;
const service = await (options.kind === "node"
  ? startNodeService(options, log)
  : (await import("./percore-service.ts")).startPercoreService(options, log));

const gauges = (): Gauges => ({
  ...service.gauges(),
  calls: log.calls,
  rssBytes: process.memoryUsage.rss(),
  parts: null,
  descriptors: readdirSync("/proc/self/fd").length,
});

/** V8 gives pages back some time after a collection: the least of several looks is what is in use. */
const collected = async (): Promise<Gauges> => {
  let parts: MemoryParts | null = null;
  for (let look = 0; look < LOOKS; look += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    const now = memoryParts(service.arenaSize);
    if (parts === null || now.rssBytes < parts.rssBytes) parts = now;
  }
  return { ...gauges(), rssBytes: parts?.rssBytes ?? 0, parts };
};

const answer = async (question: Question): Promise<unknown> => {
  switch (question.ask) {
    case "gauges":
      return gauges();
    case "take":
      return log.handled.splice(0);
    case "keep":
      log.keep = question.on;
      return null;
    case "collect":
      return collected();
    case "weigh":
      fillYoung();
      return collected();
    case "close":
      await service.close();
      return gauges();
  }
};

process.on("message", (question: Question) => {
  void answer(question).then((value) => process.send!({ value }));
});
// A parent that dies leaves no server behind.
process.on("disconnect", () => process.exit(0));
process.send!({ port: service.port });
