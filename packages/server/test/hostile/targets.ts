// targets.ts — which servers the hostile suites attack.
import type { TargetOptions } from "./target-process.ts";

/** PERCORE_HOSTILE_CONTROL=node attacks node:http instead: it shows whether a case says what it means to. */
export const TARGETS: readonly TargetOptions[] =
  process.env.PERCORE_HOSTILE_CONTROL === "node"
    ? [{ kind: "node" }]
    : [
        { kind: "handler", driver: "uring" },
        { kind: "handler", driver: "poll" },
        { kind: "fetch", driver: "uring" },
        { kind: "fetch", driver: "poll" },
      ];
