// Medians and paired ratios. Two implementations are compared within a round only: between rounds the machine changes.

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

export const range = (values) => [Math.min(...values), Math.max(...values)];

/** Median of one figure over the rounds of a cell that have it; NaN when none has. */
export const medianOf = (rounds, figure) =>
  median(rounds.map((round) => round[figure]).filter((value) => value !== null));

/**
 * Ratios of a figure between two cells, round by round.
 *
 * @returns {number[]} one for each round that both cells have; a round that failed has no figures and gives none
 */
export const pairedRatios = (cell, base, figure) => {
  const byRound = new Map(base.rounds.map((round) => [round.round, round[figure]]));
  return cell.rounds
    .filter((round) => byRound.has(round.round))
    .map((round) => round[figure] / byRound.get(round.round));
};

/**
 * Says whether a ratio is resolved: it is when it lies on one side of 1 in all rounds but at most one in five.
 *
 * @returns {"less" | "more" | "equal"}
 */
export const verdict = (ratios) => {
  const less = ratios.filter((ratio) => ratio < 1).length;
  if (ratios.length === 0) return "equal";
  if (less >= ratios.length * 0.8) return "less";
  if (less <= ratios.length * 0.2) return "more";
  return "equal";
};
