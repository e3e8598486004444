/**
 * Makes patterns of recorded paths: a folder with many used names becomes a pattern for the folder, names that differ
 * in their numbers become a glob, and the number of a process always becomes a wildcard.
 */
export interface TextPatterns {
  /** Exact texts. */
  readonly is: readonly string[];
  /** A folder and everything below it. */
  readonly under: readonly string[];
  readonly matches: readonly string[];
}

/**
 * The number of names in one folder beyond which the folder replaces them; it decreases while the patterns are too
 * many.
 */
const thresholds = [8, 4, 2, 1];
/** The number of patterns on one argument. */
const mostPatterns = 48;
const mostRelative = 16;
/** The number of names of one form that become a glob. */
const fewestAlike = 3;

/** Undefined if no sensible set exists. */
export function textPatterns(texts: readonly string[], isPath: boolean): TextPatterns | undefined {
  if (!isPath) return texts.length > mostRelative ? undefined : { is: texts, under: [], matches: [] };
  // A pattern of a folder would hide the target of "..", so these paths remain exact.
  const isPlain = (text: string) => text.startsWith("/") && !hasParent(text);
  const others = texts.filter((text) => !isPlain(text));
  if (others.length > mostRelative) return undefined;
  const absolute = texts.filter(isPlain);
  for (const threshold of thresholds) {
    const tree = new Folder();
    for (const text of absolute) tree.add(text.split("/").slice(1));
    const found: Found = { is: [...others], under: [], matches: [] };
    tree.collect("", 0, threshold, found);
    if (found.is.length + found.under.length + found.matches.length <= mostPatterns) return sorted(found);
  }
  return undefined;
}

export function hasParent(text: string): boolean {
  return text.split("/").includes("..");
}

/** Whether a text with ".." could match although its target does not. */
export function mayHideParents({ under, matches }: TextPatterns): boolean {
  return under.length > 0 || matches.some((glob) => /\*\*|\/\*(?:\/|$)/.test(glob));
}

interface Found {
  readonly is: string[];
  readonly under: string[];
  readonly matches: string[];
}

function sorted({ is, under, matches }: Found): TextPatterns {
  const unique = (list: readonly string[]) => [...new Set(list)].sort();
  return { is: unique(is), under: unique(under), matches: unique(matches) };
}

class Folder {
  readonly #children = new Map<string, Folder>();
  /** The path itself is in the recording. */
  #isUsed = false;
  /** It covers everything below it. */
  #isWhole = false;

  add(names: readonly string[]): void {
    const [name, ...rest] = names;
    if (name === undefined) {
      this.#isUsed = true;
      return;
    }
    if (name === "" && rest.length === 0) {
      this.#isUsed = true;
      this.#isWhole = true;
      return;
    }
    let child = this.#children.get(name);
    if (child === undefined) {
      child = new Folder();
      this.#children.set(name, child);
    }
    child.add(rest);
  }

  /** `path` is the folder's own, escaped if `isGlob`. */
  collect(path: string, depth: number, threshold: number, found: Found, isGlob = false): void {
    const isRoot = depth === 0;
    if (!isRoot && (this.#isWhole || this.#children.size > threshold)) {
      if (isGlob) found.matches.push(path, `${path}/**`);
      else found.under.push(path);
      return;
    }
    if (this.#isUsed || (isRoot && this.#isWhole)) (isGlob ? found.matches : found.is).push(path === "" ? "/" : path);
    const isProc = path === "/proc";
    const groups = new Map<string, string[]>();
    for (const name of this.#children.keys()) {
      const form = isProc ? name.replace(/^\d+$/, "*") : formOf(name);
      groups.set(form, [...(groups.get(form) ?? []), name]);
    }
    for (const [form, names] of groups) {
      if (form.includes("*") && (isProc || names.length >= fewestAlike)) {
        const merged = new Folder();
        for (const name of names) merged.#take(this.#children.get(name)!);
        const from = isGlob ? path : escapeGlob(path);
        merged.collect(`${from}/${form}`, depth + 1, threshold, found, true);
        continue;
      }
      for (const name of names) {
        this.#children
          .get(name)!
          .collect(`${path}/${isGlob ? escapeGlob(name) : name}`, depth + 1, threshold, found, isGlob);
      }
    }
  }

  #take(other: Folder): void {
    this.#isUsed ||= other.#isUsed;
    this.#isWhole ||= other.#isWhole;
    for (const [name, child] of other.#children) {
      let own = this.#children.get(name);
      if (own === undefined) {
        own = new Folder();
        this.#children.set(name, own);
      }
      own.#take(child);
    }
  }
}

/** The glob of names that differ in their numbers; the escaped name if it has none. */
function formOf(name: string): string {
  return name
    .split(/((?:\d|[0-9a-f]{8,})+)/)
    .map((part, index) => (index % 2 === 1 ? "*" : escapeGlob(part)))
    .join("");
}

function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]{},]/g, "\\$&");
}
