// turn.ts — tells whether the transport can have seen what was written: writes of a turn are gathered and leave at its end.

let turn = 0;
let ending = false;

/**
 * The number of the present turn: it changes in a microtask, which comes behind the transport's own. To be called right
 * after a write: as long as the number is the same, what was written cannot have been handed to the kernel.
 */
export const beginTurn = (): number => {
  if (!ending) {
    ending = true;
    queueMicrotask(endTurn);
  }
  return turn;
};

export const presentTurn = (): number => turn;

const endTurn = (): void => {
  ending = false;
  turn += 1;
};
