/**
 * String patterns, as policies write them: the closed set, and how each is read from a text. The next stage,
 * `compileMatcher`, makes one automaton of all patterns on one argument.
 *
 * A pattern applies to the whole byte string (a path without its NUL, a socket's name). A text means its UTF-8 bytes.
 */
import { type Fault, fault } from "./fault.ts";
import { parseGlob } from "./glob.ts";

export const patternKinds = ["is", "startsWith", "endsWith", "under", "matches"] as const;

export type PatternKind = (typeof patternKinds)[number];

/** Plain data: a pattern can be compared and stored as JSON. Made by `readPattern`, which checks the text. */
export interface Pattern {
  /**
   * | kind | matches |
   * | --- | --- |
   * | `is` | exactly these bytes |
   * | `startsWith`, `endsWith` | texts that begin or end with them |
   * | `under` | this directory, and texts that begin with it and a `/`; `/` is above every absolute path |
   * | `matches` | the texts of the glob (`glob.ts`) |
   */
  readonly kind: PatternKind;
  /** The directory of `under`, without a `/` at the end unless it is `/`. */
  readonly text: string;
}

/** The longest text of a pattern, in UTF-8 bytes: PATH_MAX (include/uapi/linux/limits.h), its NUL included. */
const longestText = 4096;

export type PatternReading =
  | { readonly pattern: Pattern; readonly faults?: never }
  | { readonly faults: readonly Fault[] };

/** Reads and checks a pattern. All faults of the text are given, at least one where there is no pattern. */
export function readPattern(kind: PatternKind, text: string): PatternReading {
  const faults = textFaults(text);
  switch (kind) {
    case "is":
    case "startsWith":
    case "endsWith":
      break;
    case "under":
      if (faults.length === 0) faults.push(...directoryFaults(text));
      break;
    case "matches":
      faults.push(...parseGlob(text).faults);
      break;
    default:
      kind satisfies never;
  }
  if (faults.length > 0) return { faults: faults.sort((a, b) => a.offset - b.offset) };
  return { pattern: { kind, text: kind === "under" ? withoutSlashes(text) : text } };
}

/** A pattern as `explain` and goldens show it: `under "/srv"`. */
export function describePattern({ kind, text }: Pattern): string {
  return `${kind} ${JSON.stringify(text)}`;
}

function textFaults(text: string): Fault[] {
  const faults: Fault[] = [];
  for (let at = text.indexOf("\0"); at >= 0; at = text.indexOf("\0", at + 1))
    faults.push(fault("a NUL byte ends a text, so no pattern has one", "leave it out", at));
  for (const { index } of text.matchAll(/\p{Surrogate}/gu))
    faults.push(fault("half of a surrogate pair is not a character", "write the whole character", index));
  const bytes = new TextEncoder().encode(text).length;
  if (bytes >= longestText)
    faults.push(
      fault(
        `a pattern of ${bytes} bytes is longer than any path`,
        `the kernel takes at most ${longestText - 1} bytes`,
        0,
        text.length,
      ),
    );
  return faults;
}

function withoutSlashes(directory: string): string {
  return directory.replace(/\/+$/, "") || "/";
}

/** No normal path contains such a name, so nothing would be under the directory, and a refusal would refuse nothing. */
function directoryFaults(text: string): Fault[] {
  if (text === "") return [fault("a directory without a name", 'write "/" for every absolute path', 0)];
  const faults: Fault[] = [];
  let offset = 0;
  for (const [index, name] of withoutSlashes(text).split("/").entries()) {
    const isEmpty = name === "" && index > 0 && withoutSlashes(text) !== "/";
    if (isEmpty || name === "." || name === "..") {
      const message = isEmpty ? "a directory with an empty name in it" : `a directory with ${name} in it`;
      const normal = normalDirectory(text);
      faults.push(
        fault(message, normal === undefined ? "write the whole path" : `write "${normal}"`, offset, name.length),
      );
    }
    offset += name.length + 1;
  }
  return faults;
}

/** The same directory without empty names, `.` and `..`; undefined if ".." leads out of the text. */
function normalDirectory(text: string): string | undefined {
  const names: string[] = [];
  for (const name of text.split("/")) {
    if (name === "" || name === ".") continue;
    if (name !== "..") names.push(name);
    else if (names.pop() === undefined && !text.startsWith("/")) return undefined;
  }
  if (text.startsWith("/")) return `/${names.join("/")}`;
  return names.length === 0 ? undefined : names.join("/");
}
