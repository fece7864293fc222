// set-lock.ts — a lock for some hundred nanoseconds between threads, on a word of shared memory.

/** A holder that is gone for so long has died (a terminated thread): its lock is taken over. Milliseconds. */
const HOLDER_GONE_MS = 50;
const SPINS = 64;

/**
 * Takes the lock at `words[at]`. Whoever holds it does some arithmetic and gives it back: nobody waits for anything else
 * with it. A thread that was terminated just then leaves it taken; after HOLDER_GONE_MS it counts as free.
 */
export const lock = (words: Int32Array, at: number): void => {
  for (let spin = 0; spin < SPINS; spin += 1) {
    if (Atomics.compareExchange(words, at, 0, 1) === 0) return;
  }
  for (;;) {
    // A wake may be missed, so each wait is short; what counts is how long the same holder has had it.
    const state = Atomics.load(words, at);
    if (state === 0) {
      if (Atomics.compareExchange(words, at, 0, 1) === 0) return;
    } else if (Atomics.wait(words, at, state, HOLDER_GONE_MS) === "timed-out") {
      // Each take-over counts the word up, so that of many who wait one gets it.
      if (Atomics.compareExchange(words, at, state, state + 1) === state) return;
    }
  }
};

export const unlock = (words: Int32Array, at: number): void => {
  Atomics.store(words, at, 0);
  Atomics.notify(words, at, 1);
};
