/**
 * The reference meaning of patterns, by other means than the compiler's: string functions, and for globs the expansion of
 * braces and backtracking over characters. It is slow, and accepts correct patterns only.
 */
import type { Pattern } from "../pattern.ts";

export function matches({ kind, text }: Pattern, subject: Uint8Array): boolean {
  const bytes = Buffer.from(subject).toString("latin1");
  const given = Buffer.from(text).toString("latin1");
  switch (kind) {
    case "is":
      return bytes === given;
    case "startsWith":
      return bytes.startsWith(given);
    case "endsWith":
      return bytes.endsWith(given);
    case "under":
      return bytes === given || bytes.startsWith(given.endsWith("/") ? given : `${given}/`);
    case "matches": {
      const characters = charactersOf(subject);
      return expand(tokens([...text])).some((glob) => matchesFrom(glob, 0, characters, 0));
    }
  }
}

/** A character, or a number: a byte that is in no valid sequence. */
type Character = string | number;

/** Cuts bytes into what Node decodes as a character, and single bytes. */
function charactersOf(bytes: Uint8Array): Character[] {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const found: Character[] = [];
  for (let at = 0; at < bytes.length; ) {
    let character: Character = bytes[at]!;
    let size = 1;
    for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
      try {
        const text = decoder.decode(bytes.subarray(at, at + length));
        if ([...text].length === 1) [character, size] = [text, length];
        break;
      } catch {}
    }
    found.push(character);
    at += size;
  }
  return found;
}

type Token =
  | { is: "one"; matches: (character: Character) => boolean; slash?: true }
  | { is: "star" }
  | { is: "globstar" }
  | { is: "choice"; of: Token[][] };

/** Takes what it reads from the array. */
function tokens(rest: string[], inBraces = false): Token[] {
  const found: Token[] = [];
  while (rest.length > 0) {
    if (inBraces && (rest[0] === "," || rest[0] === "}")) return found;
    const next = rest.shift()!;
    if (next === "*") {
      const isDouble = rest[0] === "*";
      while (rest[0] === "*") rest.shift();
      found.push({ is: isDouble ? "globstar" : "star" });
    } else if (next === "?") found.push({ is: "one", matches: (character) => character !== "/" });
    else if (next === "[") found.push(classToken(rest));
    else if (next === "{") {
      const of = [];
      do of.push(tokens(rest, true));
      while (rest.shift() === ",");
      found.push({ is: "choice", of });
    } else {
      const wanted = next === "\\" ? rest.shift()! : next;
      found.push({ is: "one", matches: (character) => character === wanted, ...(wanted === "/" && { slash: true }) });
    }
  }
  return found;
}

function classToken(rest: string[]): Token {
  const isNegated = rest[0] === "!" || rest[0] === "^";
  if (isNegated) rest.shift();
  const ranges: [number, number][] = [];
  const member = (): number => {
    const next = rest.shift()!;
    return (next === "\\" ? rest.shift()! : next).codePointAt(0)!;
  };
  while (rest[0] !== "]") {
    const low = member();
    if (rest[0] === "-" && rest[1] !== "]") {
      rest.shift();
      ranges.push([low, member()]);
    } else ranges.push([low, low]);
  }
  rest.shift();
  const isIn = (character: Character): boolean =>
    typeof character === "string" &&
    ranges.some(([low, high]) => character.codePointAt(0)! >= low && character.codePointAt(0)! <= high);
  return { is: "one", matches: (character) => character !== "/" && isIn(character) !== isNegated };
}

/** All token lists without choices. */
function expand(list: readonly Token[]): Exclude<Token, { is: "choice" }>[][] {
  const [first, ...rest] = list;
  if (first === undefined) return [[]];
  if (first.is === "choice") return first.of.flatMap((one) => expand([...one, ...rest]));
  return expand(rest).map((tail) => [first, ...tail]);
}

function matchesFrom(
  glob: readonly Exclude<Token, { is: "choice" }>[],
  token: number,
  subject: readonly Character[],
  at: number,
): boolean {
  const next = glob[token];
  if (next === undefined) return at === subject.length;
  if (next.is === "one")
    return at < subject.length && next.matches(subject[at]!) && matchesFrom(glob, token + 1, subject, at + 1);
  const then = glob[token + 1];
  const isAtSlash = at === 0 || subject[at - 1] === "/";
  const skips = next.is === "globstar" && isAtSlash && then?.is === "one" && then.slash;
  if (skips && matchesFrom(glob, token + 2, subject, at)) return true;
  for (let end = at; end <= subject.length; end++) {
    if (matchesFrom(glob, token + 1, subject, end)) return true;
    if (next.is === "star" && subject[end] === "/") break;
  }
  return false;
}
