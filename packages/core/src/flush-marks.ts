// flush-marks.ts — who wants to know when everything written up to a point has been taken over by the kernel.

export type FlushDone = (error: Error | null) => void;

const NOTHING: FlushDone = () => {};

/** A queue of positions and callbacks; positions never fall. Its arrays are kept, so a mark per response costs two stores. */
export class FlushMarks {
  readonly #positions: number[] = [];
  readonly #done: FlushDone[] = [];
  #first = 0;
  #end = 0;

  get size(): number {
    return this.#end - this.#first;
  }

  push(position: number, done: FlushDone): void {
    if (this.#end === this.#done.length) {
      this.#positions.push(position);
      this.#done.push(done);
    } else {
      this.#positions[this.#end] = position;
      this.#done[this.#end] = done;
    }
    this.#end += 1;
  }

  /** Calls those at or before `position`. They may push more. */
  reach(position: number, error: Error | null): void {
    while (this.#first < this.#end && this.#positions[this.#first] <= position) {
      const done = this.#done[this.#first];
      this.#done[this.#first] = NOTHING;
      this.#first += 1;
      if (this.#first === this.#end) {
        this.#first = 0;
        this.#end = 0;
      }
      done(error);
    }
  }
}
