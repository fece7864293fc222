export {
  ARENA_PARSER_PAGES,
  Arena,
  type ArenaOptions,
  type ArenaStats,
  PAGE_BYTES,
} from "./arena.ts";
export { AssertionError, assert, unreachable } from "./assert.ts";
export { BLOCK_SIZES, type BlockAllocator, LEASE_BYTES_MAX } from "./blocks.ts";
export { CORE_ERRORS, CodedError, CoreError, type CoreErrorCode, errnoName, SystemError } from "./errors.ts";
export { type Account, Block, type BlockPool, Lease } from "./lease.ts";
export { type PeerAddress, RESERVE_BYTES_MAX, type Stream, type StreamHandler, type StreamInfo } from "./stream.ts";
