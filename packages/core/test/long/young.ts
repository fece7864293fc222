// young.ts — brings V8's young generation to its final size, so that two looks at memory differ by what was leaked only.
import v8 from "node:v8";

/** So often objects are made that survive, about 4 MiB each time, without the young generation having grown. */
const STEADY_ROUNDS = 12;
const ROUNDS_MAX = 64;
const OBJECTS = 100_000;

const youngBytes = (): number =>
  v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;

/**
 * V8 doubles its young generation, 1 to 16 MiB a half, whenever as much has survived since the last time, and a server
 * reaches the last step after seconds or after minutes. Objects that survive bring it there now.
 */
export const fillYoung = (): void => {
  const kept: object[] = new Array<object>(OBJECTS);
  let size = 0;
  let steady = 0;
  for (let round = 0; round < ROUNDS_MAX && steady < STEADY_ROUNDS; round += 1) {
    for (let at = 0; at < OBJECTS; at += 1) kept[at] = { at, round };
    const now = youngBytes();
    steady = now === size ? steady + 1 : 0;
    size = now;
  }
};
