/**
 * Lists of names and integers in the conditions of a policy: where one makes a rule longer than a line, it gets a name, and a
 * part of a long list, too.
 */
import { jsonText } from "../diagnostics/width.ts";
import { chunked } from "./layout.ts";

const quoted = (names: string): readonly string[] => names.split(" ").map((name) => jsonText(name));
/** Parts of long lists that have a name of their own. */
const namedParts: readonly { readonly stem: string; readonly names: readonly string[] }[] = [
  { stem: "locks", names: quoted("F_GETLK F_SETLK F_SETLKW F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW") },
  { stem: "elf flags", names: quoted("MAP_PRIVATE MAP_FIXED MAP_DENYWRITE") },
  { stem: "shared", names: quoted("CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_SYSVSEM") },
  { stem: "writing", names: quoted("O_WRONLY O_RDWR O_CREAT O_EXCL O_TRUNC O_APPEND") },
];
const fewestInPart = 3;

/** The part of a long list that has a name, or gets it. */
export function partIn(
  values: readonly string[],
  lists: readonly (readonly string[])[],
): { readonly stem: string; readonly part: readonly string[] } | undefined {
  if (chunked("const flagsOfCalls = ", values).length === 1) return undefined;
  const meant = namedParts.map(({ stem, names }) => ({ stem, part: values.filter((value) => names.includes(value)) }));
  const named = lists
    .filter((list) => list.every((value) => values.includes(value)))
    .map((part) => ({ stem: "", part }));
  return [...meant, ...named].find(({ part }) => part.length >= fewestInPart && part.length < values.length);
}

/** The list with the name in place of the part. */
export function withName(values: readonly string[], part: readonly string[], name: string): readonly string[] {
  const rest = values.filter((value) => !part.includes(value));
  const at = values.indexOf(part[0]!);
  return [...rest.slice(0, at), `...${name}`, ...rest.slice(at)];
}

/** The name of a list of an argument's values. */
export function stemOf(call: string, parameter: string, values: readonly string[]): string {
  if (call.endsWith(" programs")) return call;
  if (parameter === "flags" && values.includes('"CLONE_THREAD"')) return "threads";
  if (parameter === "optname") return call === "setsockopt" ? "options" : "queries";
  if (call === "socket" && parameter === "type") {
    const types = values.filter((value) => value !== '"SOCK_NONBLOCK"' && value !== '"SOCK_CLOEXEC"');
    return types.length === 1 ? types[0]!.slice(1, -1).toLowerCase().replace("sock_", "") : "sockets";
  }
  if (call !== "mmap" || parameter !== "flags") return `${call} ${parameter}`;
  return values.includes('"MAP_ANONYMOUS"') ? "map flags" : "elf flags";
}

export interface ListInCondition {
  readonly parameter: string;
  readonly values: readonly string[];
  withName(name: string): string;
}

/** The list of names or integers in a condition on one argument. */
export function listIn(condition: string): ListInCondition | undefined {
  const names = /^(args\.(?:\w+\.)*?(\w+)\.(?:hasOnly|is))\(("\w+"(?:, "\w+")+)\)$/.exec(condition);
  if (names !== null)
    return { parameter: names[2]!, values: names[3]!.split(", "), withName: (name) => `${names[1]}(...${name})` };
  const integers = /^\[([^"\]]+)\](\.includes\(args\.(\w+)\))$/.exec(condition);
  if (integers === null) return undefined;
  return { parameter: integers[3]!, values: integers[1]!.split(", "), withName: (name) => `${name}${integers[2]}` };
}

/** A function of the call needs the call itself, with the type that a test of `call.name` gives it. */
export function areOfCall(conditions: readonly string[]): boolean {
  return conditions.some((one) => one.includes("(call)"));
}

/** `args.flags` for `call.args.flags`, outside of texts. */
export function withShortArguments(condition: string): string {
  return condition.replace(/"(?:[^"\\]|\\.)*"|\bcall\.args\b/g, (part) => (part === "call.args" ? "args" : part));
}
