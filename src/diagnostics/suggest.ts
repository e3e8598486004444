/**
 * The known name that a person most likely meant: the nearest by the Damerau-Levenshtein distance (insert, delete,
 * replace, swap neighbours), or undefined if none is near (more than a third of the letters are wrong).
 */
export function nearestName(written: string, known: Iterable<string>): string | undefined {
  if (written.length > 64) return undefined;
  const lower = written.toLowerCase();
  const most = Math.max(1, Math.floor(written.length / 3));
  let best: string | undefined;
  let bestDistance = most + 1;
  for (const name of known) {
    if (Math.abs(name.length - written.length) >= bestDistance) continue;
    // A difference in case costs less than any letter, so `ePerm` suggests EPERM before any other name.
    const distance = editDistance(lower, name.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
    if (distance === 0) break;
  }
  return best;
}

/** The remedy for a name that is not among these: the nearest one, and the list. */
export function namesInstead(written: string, known: readonly string[]): string {
  const near = nearestName(written, known);
  return `${near === undefined ? "" : `did you mean ${JSON.stringify(near)}? `}they are ${known.join(", ")}`;
}

/** The distance, or `limit` if it is at least that. */
function editDistance(a: string, b: string, limit: number): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    let least = row;
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(current[column - 1]! + 1, previous[column]! + 1, previous[column - 1]! + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, before[column - 2]! + 1);
      }
      current.push(cost);
      least = Math.min(least, cost);
    }
    if (least >= limit) return limit;
    before = previous;
    previous = current;
  }
  return Math.min(previous[b.length]!, limit);
}
