export {
  ARENA_PARSER_PAGES,
  Arena,
  type ArenaOptions,
  type ArenaStats,
  PAGE_BYTES,
} from "./arena.ts";
export { AssertionError, assert, unreachable } from "./assert.ts";
export { BLOCK_SIZES, type BlockAllocator, LEASE_BYTES_MAX } from "./blocks.ts";
export { type DuplexOptions, StreamDuplex, toDuplex } from "./duplex.ts";
export { CORE_ERRORS, CodedError, CoreError, type CoreErrorCode, errnoName, SystemError } from "./errors.ts";
export { type Account, Block, type BlockPool, Lease } from "./lease.ts";
export { type ProxiedConnection, type ProxyProtocolOptions, proxyProtocol } from "./proxied-stream.ts";
export { PROXY_TLV, type ProxyHeader, type ProxyTlv } from "./proxy-protocol.ts";
export { type RentCallOptions, type RentOptions, type RentRead, RentStream, rent } from "./rent.ts";
export { type PeerAddress, RESERVE_BYTES_MAX, type Stream, type StreamHandler, type StreamInfo } from "./stream.ts";
export { Interval, interval, sleep, spawn, Task, type TaskOptions, timeout } from "./tasks.ts";
