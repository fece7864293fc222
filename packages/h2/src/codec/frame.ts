// frame.ts — the numbers of RFC 9113 §4 to §6, and frame headers as bytes.

export const FRAME_HEAD_BYTES = 9;
/** SETTINGS_MAX_FRAME_SIZE where nobody says otherwise, and what we take. */
export const FRAME_BYTES_DEFAULT = 16_384;
export const WINDOW_DEFAULT = 65_535;
export const WINDOW_MAX = 2_147_483_647;
export const STREAM_ID_MAX = 2_147_483_647;

export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;
/** RFC 9218 §7.1. */
export const PRIORITY_UPDATE = 16;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const PRIORITY_FLAG = 0x20;

export const SETTING_HEADER_TABLE_SIZE = 1;
export const SETTING_ENABLE_PUSH = 2;
export const SETTING_MAX_CONCURRENT_STREAMS = 3;
export const SETTING_INITIAL_WINDOW_SIZE = 4;
export const SETTING_MAX_FRAME_SIZE = 5;
export const SETTING_MAX_HEADER_LIST_SIZE = 6;
/** RFC 8441 §3. */
export const SETTING_ENABLE_CONNECT_PROTOCOL = 8;

/** Writes a frame's header; returns where its payload begins. */
export const putFrameHead = (
  u8: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number => {
  u8[at] = length >>> 16;
  u8[at + 1] = length >>> 8;
  u8[at + 2] = length;
  u8[at + 3] = type;
  u8[at + 4] = flags;
  return putU32(u8, at + 5, streamId);
};

export const putU32 = (u8: Uint8Array, at: number, value: number): number => {
  u8[at] = value >>> 24;
  u8[at + 1] = value >>> 16;
  u8[at + 2] = value >>> 8;
  u8[at + 3] = value;
  return at + 4;
};

export const readU32 = (u8: Uint8Array, at: number): number =>
  ((u8[at] << 24) | (u8[at + 1] << 16) | (u8[at + 2] << 8) | u8[at + 3]) >>> 0;
