// nearest.ts — which word somebody may have meant: for errors that name what is wrong and what would be right.

/** Words further away than this share of their length are no help. */
const DISTANCE_SHARE_MAX = 0.4;

/** The candidate with the fewest edits to `word`, or null where none is near. */
export const nearest = (word: string, candidates: Iterable<string>): string | null => {
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best !== null && bestDistance <= Math.max(2, best.length * DISTANCE_SHARE_MAX) ? best : null;
};

/** Insertions, deletions and replacements from one word to the other (Levenshtein), one row at a time. */
const editDistance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let line = 1; line <= from.length; line += 1) {
    const next = [line];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[line - 1] === to[column - 1] ? 0 : 1;
      next.push(Math.min(row[column - 1] + same, row[column] + 1, next[column - 1] + 1));
    }
    row = next;
  }
  return row[to.length];
};
