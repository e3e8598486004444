/**
 * How a policy recognises the programs of its roles: by their whole paths, or by the last names of these if the paths are
 * too many to compare with. All comparisons with one argument share an automaton (src/patterns), whose size is limited, or
 * a few.
 */

/** Patterns; an argument is compared with at most 1,024 in all. */
const mostTexts = 200;
/** Each byte of a text needs about one state of 8,192. */
const mostBytes = 4096;
/** Entries of the automaton's table, one for each state and different byte: half of its limit. */
const mostEntries = 1 << 18;

/** Whether an automaton of these texts leaves enough for the other patterns on the argument. */
export function areComparable(texts: ReadonlySet<string>): boolean {
  if (texts.size > mostTexts) return false;
  let bytes = 0;
  for (const text of texts) bytes += 3 * text.length;
  // Only long texts are worth the exact count.
  if (bytes <= 1000) return true;
  const all = Buffer.from([...texts].join(""));
  return all.length <= mostBytes && all.length * (new Set(all).size + 1) <= mostEntries;
}

/** The lists whose paths a policy can compare one by one, shorter lists before longer ones. */
export function comparableLists(lists: readonly ReadonlySet<string>[]): ReadonlySet<ReadonlySet<string>> {
  const chosen = new Set<ReadonlySet<string>>();
  let all = new Set<string>();
  for (const list of [...lists].sort((a, b) => a.size - b.size)) {
    const more = new Set([...all, ...list]);
    if (!areComparable(more)) break;
    all = more;
    chosen.add(list);
  }
  return chosen;
}

/** The last names of paths: with their slash, to which a longer path can lead, or alone. */
export function lastNames(paths: Iterable<string>): {
  readonly inFolders: ReadonlySet<string>;
  readonly alone: ReadonlySet<string>;
} {
  const [inFolders, alone] = [new Set<string>(), new Set<string>()];
  for (const path of paths) {
    if (path.includes("/")) inFolders.add(path.slice(path.lastIndexOf("/")));
    else alone.add(path);
  }
  return { inFolders, alone };
}

/** A program's name without the machine and the version that its file has: `gcc` of `x86_64-linux-gnu-gcc-14`. */
export function shortName(role: string): string {
  const short = role
    .replace(/^[a-z0-9_]+-linux-gnu[a-z0-9]*-/, "")
    .replace(/(?:-\d+(?:\.\d+)*|\d+\.\d+)(?=-child|$)/, "");
  return short === "" ? role : short;
}
