// huffman.ts — the string code of HPACK (RFC 7541 §5.2, Appendix B), both ways, over bytes.

const EOS = 256;
/** Bits looked at in one step. All but punctuation, controls and UTF-8 have codes that short; the rest walk bit by bit. */
const STEP_BITS = 11;
const STEP_MASK: number = (1 << STEP_BITS) - 1;
/** In the step table: no code of STEP_BITS or fewer begins like this. */
const MISS = 0;
/** Padding is shorter than a byte (RFC 7541 §5.2). */
const PADDING_BITS_MAX = 7;

/**
 * Length of each symbol's code, bits; the last is EOS. The code is canonical: codes of one length count up with the
 * symbol, and the first of a length follows the last of the one before, so the lengths say it all.
 */
// biome-ignore format: a table
const CODE_BITS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
  7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
  23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
  21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const CODES: Uint32Array = new Uint32Array(CODE_BITS.length);
const BITS: Uint8Array = Uint8Array.from(CODE_BITS);
/** For the next STEP_BITS bits: symbol << 4 | length of its code. */
const STEPS: Uint16Array = new Uint16Array(1 << STEP_BITS);
/** By length: the first code, the number of codes, and where their symbols are in SYMBOLS. */
const FIRST: Uint32Array = new Uint32Array(32);
const COUNT: Uint16Array = new Uint16Array(32);
const START: Uint16Array = new Uint16Array(32);
const SYMBOLS: Uint16Array = new Uint16Array(CODE_BITS.length);

const build = (): void => {
  let code = 0;
  let at = 0;
  for (let bits = 1; bits <= 30; bits += 1) {
    code *= 2;
    FIRST[bits] = code;
    START[bits] = at;
    for (let symbol = 0; symbol <= EOS; symbol += 1) {
      if (CODE_BITS[symbol] !== bits) continue;
      CODES[symbol] = code;
      SYMBOLS[at] = symbol;
      at += 1;
      if (bits <= STEP_BITS) {
        const from = code << (STEP_BITS - bits);
        STEPS.fill((symbol << 4) | bits, from, from + (1 << (STEP_BITS - bits)));
      }
      code += 1;
    }
    COUNT[bits] = code - FIRST[bits];
  }
};
build();

/** Most bytes that `size` encoded ones can stand for: the shortest code has five bits. */
export const decodedBound = (size: number): number => Math.floor((size * 8) / 5);

/**
 * Decodes `size` bytes at `at` into `out`, which has room for `decodedBound(size)`.
 * @returns the number of bytes, or -1 where the code breaks RFC 7541 §5.2: EOS within, padding of 8 bits or more, or
 *   padding that is not the beginning of EOS.
 */
export const decodeHuffman = (u8: Uint8Array, at: number, size: number, out: Uint8Array): number => {
  const end = at + size;
  let from = at;
  let filled = 0;
  let held = 0;
  let bits = 0;
  for (;;) {
    while (bits <= 24 && from < end) {
      held = (held << 8) | u8[from];
      from += 1;
      bits += 8;
    }
    if (bits === 0) return filled;
    // What lies behind the end counts as ones, which is what padding is made of.
    const index =
      bits >= STEP_BITS
        ? (held >>> (bits - STEP_BITS)) & STEP_MASK
        : ((held << (STEP_BITS - bits)) | (STEP_MASK >>> bits)) & STEP_MASK;
    const step = STEPS[index];
    const length = step & 15;
    if (step !== MISS && length <= bits) {
      out[filled] = step >>> 4;
      filled += 1;
      bits -= length;
      continue;
    }
    if (from === end && bits <= PADDING_BITS_MAX) return isOnes(held, bits) ? filled : -1;
    const found = longCode(u8, from * 8 - bits, end * 8);
    if (found < 0 || found >>> 5 === EOS) return -1;
    out[filled] = found >>> 5;
    filled += 1;
    // The rest of the byte that the code ended in.
    const next = from * 8 - bits + (found & 31);
    from = (next + 7) >>> 3;
    bits = from * 8 - next;
    held = bits > 0 ? u8[from - 1] : 0;
  }
};

const isOnes = (held: number, bits: number): boolean => {
  const mask = (1 << bits) - 1;
  return (held & mask) === mask;
};

/** The code that begins at bit `at`: symbol << 5 | length; -1 where it does not end before `end`. */
const longCode = (u8: Uint8Array, at: number, end: number): number => {
  let code = 0;
  for (let bits = 1; bits <= 30; bits += 1) {
    const bit = at + bits - 1;
    if (bit >= end) return -1;
    code = code * 2 + ((u8[bit >>> 3] >>> (7 - (bit & 7))) & 1);
    const index = code - FIRST[bits];
    if (index >= 0 && index < COUNT[bits]) return (SYMBOLS[START[bits] + index] << 5) | bits;
  }
  return -1;
};

/** Bytes that `text` (characters below 256) takes when encoded. */
export const huffmanSize = (text: string): number => {
  let bits = 0;
  for (let index = 0; index < text.length; index += 1) bits += BITS[text.charCodeAt(index)];
  return (bits + 7) >>> 3;
};

/** Writes `text` (characters below 256) encoded; returns where it ends. */
export const putHuffman = (u8: Uint8Array, start: number, text: string): number => {
  let at = start;
  let held = 0;
  let bits = 0;
  for (let index = 0; index < text.length; index += 1) {
    const symbol = text.charCodeAt(index);
    let length = BITS[symbol];
    let code = CODES[symbol];
    if (length > 24) {
      // Seven bits may be held, and 32 are all there is room for.
      held = (held << 8) | (code >>> (length - 8));
      u8[at] = held >>> bits;
      at += 1;
      length -= 8;
      code &= 2 ** length - 1;
    }
    held = (held << length) | code;
    bits += length;
    while (bits >= 8) {
      bits -= 8;
      u8[at] = held >>> bits;
      at += 1;
    }
  }
  if (bits > 0) {
    u8[at] = (held << (8 - bits)) | (0xff >>> bits);
    at += 1;
  }
  return at;
};
