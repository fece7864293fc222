// key-hash.ts — 64 bits of a limit's key, keyed: nobody outside can choose keys that fall together.

/** What seeds the hash: four random words, the same in every worker. */
export type HashSeed = readonly [number, number, number, number];

/** The hash of the last call of hashKey. Two fields rather than an object a request. */
export const hashed: { low: number; high: number } = { low: 0, high: 0 };

/**
 * Hashes a string into `hashed`: two 32-bit MurmurHash3-style rounds with secret seeds. Not for proofs; for tables whose
 * collisions nobody should be able to aim at. Never gives 0, 0, which means "empty" there.
 */
export const hashKey = (seed: HashSeed, text: string): void => {
  let low = seed[0];
  let high = seed[1];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    low = Math.imul(low ^ code ^ (high >>> 15), 0xcc9e2d51);
    low = (low << 13) | (low >>> 19);
    high = Math.imul(high ^ code ^ (low >>> 17), 0x1b873593);
    high = (high << 15) | (high >>> 17);
  }
  low = finish(low ^ text.length ^ seed[2] ^ (high >>> 9));
  high = finish(high ^ seed[3] ^ low);
  hashed.low = low;
  hashed.high = low === 0 && high === 0 ? 1 : high;
};

const finish = (value: number): number => {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) | 0;
};
