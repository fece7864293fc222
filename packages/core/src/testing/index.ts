// @percore/core/testing — connections without sockets: in-memory streams, a pump, a scripted peer, a clock, leak checks.
export { FakeClock } from "./fake-clock.ts";
export type { LeakCheck } from "./leak-check.ts";
export { descriptorCheck, leaseCheck, openDescriptors } from "./leak-check.ts";
export type { LinkOptions } from "./memory-link.ts";
export type { MemoryPair, MemoryPairOptions } from "./memory-pair.ts";
export { memoryPair } from "./memory-pair.ts";
export { MemoryStream } from "./memory-stream.ts";
export type { Pumped, PumpOptions } from "./pump.ts";
export { Pump } from "./pump.ts";
export { Random } from "./random.ts";
export type { Script } from "./scripted-peer.ts";
export { ScriptedPeer } from "./scripted-peer.ts";
