export { decodeAddress, encodeAddress, familyOf, formatAddress } from "./address.ts";
export {
  ARENA_PARSER_PAGES,
  Arena,
  type ArenaOptions,
  type ArenaStats,
  PAGE_BYTES,
} from "./arena.ts";
export { AssertionError, assert, unreachable } from "./assert.ts";
export { adoptSocket, type BindOptions, type BoundSocket, bindSocket, type PortSharing } from "./bind.ts";
export { BLOCK_SIZES, type BlockAllocator, LEASE_BYTES_MAX } from "./blocks.ts";
export type { BufferGroup } from "./buffer-group.ts";
export { type ConnectOptions, connect } from "./connect.ts";
export type { DriverOption, DriverReport } from "./driver.ts";
export { type DuplexOptions, StreamDuplex, toDuplex } from "./duplex.ts";
export { CORE_ERRORS, CodedError, CoreError, type CoreErrorCode, errnoName, SystemError } from "./errors.ts";
export { FilePartReader } from "./file-part.ts";
export { File, type FileOperationOptions, type FileStat, type OpenOptions } from "./files.ts";
export { type FlushDone, FlushMarks } from "./flush-marks.ts";
export { ForwardedStream } from "./forwarded-stream.ts";
export { type Account, Block, type BlockPool, Lease } from "./lease.ts";
export { type InheritedSocket, inheritedSockets } from "./listen-fds.ts";
export { Listener, type ListenOptions, listen } from "./listener.ts";
export { type FileDone, OutQueue } from "./out-queue.ts";
export { type ProxiedConnection, type ProxyProtocolOptions, proxyProtocol } from "./proxied-stream.ts";
export { PROXY_TLV, type ProxyHeader, type ProxyTlv } from "./proxy-protocol.ts";
export { type RentCallOptions, type RentOptions, type RentRead, RentStream, rent } from "./rent.ts";
export {
  currentRuntime,
  openRuntime,
  Runtime,
  type RuntimeOptions,
  type RuntimeStats,
  type Settler,
} from "./runtime.ts";
export { HIGH_WATER_BYTES } from "./socket-sender.ts";
export { SocketStream } from "./socket-stream.ts";
export { STAT, STATS_BYTES, type StatName, Stats, type StatsSnapshot } from "./stats.ts";
export { type PeerAddress, RESERVE_BYTES_MAX, type Stream, type StreamHandler, type StreamInfo } from "./stream.ts";
export { Interval, interval, sleep, spawn, Task, type TaskOptions, timeout } from "./tasks.ts";
export { WHEEL_STEP_MS, Wheel, WheelEntry } from "./wheel.ts";
export type { AcquiredListener, OnStream } from "./workers/acquired-listener.ts";
export { autoWorkers, type CpusOption } from "./workers/cpu.ts";
export { type CreateRuntimeOptions, createRuntime } from "./workers/create-runtime.ts";
export type { DrainCallback, SharedBuffer } from "./workers/member.ts";
export { type Main, type RunOptions, run, type WorkerContext } from "./workers/run.ts";
export { Running } from "./workers/running.ts";
export type { RunEvent } from "./workers/supervisor.ts";
export { acquireListener, isSupervised, onDrain, shareBuffer, sharedBuffers } from "./workers/thread.ts";
export type { SlotState, WorkerReport } from "./workers/worker-slot.ts";
