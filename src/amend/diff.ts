/** Unified diffs, as patch(1) reads them. */

interface Line {
  readonly mark: " " | "+" | "-";
  readonly text: string;
}

const around = 3;

/** "" if the texts are equal. `before` is undefined for a new file. */
export function unifiedDiff(file: string, before: string | undefined, after: string): string {
  const lines = changesOf(linesOf(before ?? ""), linesOf(after));
  const hunks: string[] = [];
  let [old, fresh] = [1, 1];
  const places = lines.map((line) => {
    const place = { old, fresh };
    if (line.mark !== "+") old++;
    if (line.mark !== "-") fresh++;
    return place;
  });
  for (let at = 0; at < lines.length; at++) {
    if (lines[at]!.mark === " ") continue;
    const from = Math.max(0, at - around);
    let last = at;
    for (let next = at; next < lines.length && next - last <= 2 * around; next++)
      if (lines[next]!.mark !== " ") last = next;
    const part = lines.slice(from, last + around + 1);
    const count = (mark: string) => part.filter((line) => line.mark === " " || line.mark === mark).length;
    const place = places[from]!;
    const start = (line: number, length: number) => `${length === 0 ? line - 1 : line},${length}`;
    hunks.push(
      `@@ -${start(place.old, count("-"))} +${start(place.fresh, count("+"))} @@\n`,
      ...part.map(({ mark, text }) => `${mark}${text}${text.endsWith("\n") ? "" : "\n\\ No newline at end of file\n"}`),
    );
    at = last + around;
  }
  if (hunks.length === 0) return "";
  return `--- ${before === undefined ? "/dev/null" : file}\n+++ ${file}\n${hunks.join("")}`;
}

/** The lines of the second text that the first one lacks, without their ends. */
export function addedLines(before: string, after: string): readonly string[] {
  return changesOf(linesOf(before), linesOf(after)).flatMap(({ mark, text }) =>
    mark === "+" ? [text.replace(/\r?\n$/, "")] : [],
  );
}

function linesOf(text: string): readonly string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** The two texts are nearly the same, so the greedy search for the next common line is short. */
function changesOf(before: readonly string[], after: readonly string[]): readonly Line[] {
  const lines: Line[] = [];
  let [one, two] = [0, 0];
  while (one < before.length || two < after.length) {
    if (one < before.length && before[one] === after[two]) {
      lines.push({ mark: " ", text: before[one]! });
      one++;
      two++;
      continue;
    }
    const [removed, added] = nearestCommon(before, after, one, two);
    for (const text of before.slice(one, one + removed)) lines.push({ mark: "-", text });
    for (const text of after.slice(two, two + added)) lines.push({ mark: "+", text });
    one += removed;
    two += added;
  }
  return lines;
}

function nearestCommon(
  before: readonly string[],
  after: readonly string[],
  one: number,
  two: number,
): readonly [removed: number, added: number] {
  const most = before.length - one + after.length - two;
  for (let sum = 1; sum < most; sum++) {
    for (let removed = 0; removed <= sum; removed++) {
      const [left, right] = [one + removed, two + sum - removed];
      if (left < before.length && right < after.length && before[left] === after[right])
        return [removed, sum - removed];
    }
  }
  return [before.length - one, after.length - two];
}
