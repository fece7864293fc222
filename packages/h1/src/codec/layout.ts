// layout.ts — where things lie in the parser's pages and in llhttp's record. tape.wat holds the same figures.

/** What tape.wat and JavaScript tell each other through; see the head of tape.wat. Word indexes into `arena.i32`. */
const CONTROL_OFFSET = 0x20000;
const word = (offset: number): number => (CONTROL_OFFSET + offset) >> 2;

export const BASE: number = word(0);
export const TOP: number = word(4);
export const FIELDS: number = word(8);
export const BODIES: number = word(12);
export const TRAILERS: number = word(16);
export const PHASE: number = word(20);
export const LAST: number = word(24);
export const TARGET: number = word(28);
export const TARGET_SIZE: number = word(32);
export const SEEN: number = word(36);
export const PAUSE_HEAD: number = word(40);
export const FIELDS_MAX: number = word(44);
export const CHUNKS: number = word(48);
export const HOST: number = word(52);
export const EXPECT: number = word(56);
export const TRANSFER_ENCODING: number = word(64);
export const FLAGS: number = word(68);
export const ANSWER_TO: number = word(72);

/** llhttp's settings records (26 words: which table slot serves which event), one per kind of message. */
export const REQUEST_SETTINGS_OFFSET = 0x20080;
export const RESPONSE_SETTINGS_OFFSET = 0x20100;

/** The tape: what is left of the parser's pages. */
export const TAPE_OFFSET = 0x20200;
export const TAPE_END = 0x40000;
export const TAPE_RECORD_BYTES = 16;
/** Name and value sizes share their words with other things: 24 bits each. */
export const NAME_SIZE_MASK = 0xff_ffff;
export const KNOWN_NAME_SHIFT = 24;

/** Known names, as the shifted part of a record's second word has them. */
export const NAME_CONNECTION = 2;

/** Values of PHASE. */
export const PHASE_HEAD = 0;
export const PHASE_BODY = 1;
export const PHASE_TRAILERS = 2;
export const PHASE_COMPLETE = 3;

/** Values of LAST. */
export const LAST_NOTHING = 0;
export const LAST_TARGET = 1;
export const LAST_BODY = 4;

/** Values of ANSWER_TO: what a response answers decides whether content follows it (RFC 9112 §6.3). */
export const ANSWER_TO_OTHERS = 0;
export const ANSWER_TO_HEAD = 1;
export const ANSWER_TO_CONNECT = 2;

/** Bits of SEEN. */
export const SEEN_HOST = 1;
export const SEEN_HOST_TWICE = 2;
export const SEEN_CONTENT_LENGTH = 4;
export const SEEN_TRANSFER_ENCODING = 8;
export const SEEN_TRANSFER_ENCODING_TWICE = 16;
export const SEEN_EXPECT = 32;
export const SEEN_UPGRADE_ASKED = 128;
export const SEEN_HOST_ODD = 256;
/** The target, or a response's reason, has a byte that it may not have. */
export const SEEN_TARGET_BAD = 512;
export const SEEN_PROTOCOL_BAD = 1024;
export const SEEN_TARGET_ORIGIN = 2048;
export const SEEN_CONNECTION = 4096;
export const SEEN_EXPECT_TWICE = 8192;
export const SEEN_LEADING = 32_768;
export const SEEN_SPACES = 65_536;
export const SEEN_CONNECTION_ODD = 131_072;

/** llhttp_t: 64 bytes, initialised in place by llhttp_init. The start-up self-test proves these offsets. */
export const PARSER_BYTES = 64;
export const PARSER_ERROR = 12;
export const PARSER_REASON = 16;
export const PARSER_ERROR_POSITION = 20;
export const PARSER_CONTENT_LENGTH = 32;
export const PARSER_METHOD = 41;
export const PARSER_MAJOR = 42;
export const PARSER_MINOR = 43;
export const PARSER_FLAGS = 50;
export const PARSER_STATUS = 52;

/** Bits of llhttp's flags. */
export const FLAG_KEEP_ALIVE = 1;
export const FLAG_CLOSE = 2;
export const FLAG_CONTENT_LENGTH = 32;

/** llhttp's error codes that decide something; the others are all "400". */
export const HPE_OK = 0;
export const HPE_INVALID_METHOD = 6;
export const HPE_INVALID_CONSTANT = 8;
export const HPE_INVALID_VERSION = 9;
export const HPE_INVALID_STATUS = 13;
export const HPE_INVALID_TRANSFER_ENCODING = 15;
export const HPE_PAUSED = 21;
export const HPE_PAUSED_H2_UPGRADE = 23;
export const HPE_USER = 24;

/** llhttp's message kinds. */
export const TYPE_REQUEST = 1;
export const TYPE_RESPONSE = 2;
