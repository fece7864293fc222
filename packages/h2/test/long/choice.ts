// choice.ts — chooses among alternatives by a seeded generator, so that a seed is a test case.
import { Random } from "@percore/core/testing";

export class Choice {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** 0..below-1 */
  number(below: number): number {
    return this.#random.integer(0, below - 1);
  }

  one<T>(options: readonly T[]): T {
    return options[this.number(options.length)];
  }

  /** True once in `times`. */
  rarely(times: number): boolean {
    return this.number(times) === 0;
  }
}
