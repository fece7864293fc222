// make-forwarder.ts — a worker's forwarder, over its sockets.
import type { MakeForwarder } from "../run/worker.ts";
import { dialSockets } from "./connector.ts";
import { makeEncrypt } from "./encrypt.ts";
import { UpstreamForwarder } from "./forwarder.ts";
import { systemResolve } from "./names.ts";

export const makeForwarder: MakeForwarder = (plan, { runtime }, report) =>
  new UpstreamForwarder(plan, {
    clock: runtime,
    dial: dialSockets(runtime),
    encrypt: makeEncrypt(runtime),
    resolve: systemResolve,
    random: Math.random,
    report,
  });
