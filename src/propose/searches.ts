/**
 * Searches in vain: programs that a process tried to execute, and that were never there, as execvp(3) goes through the
 * directories of PATH. Such a call begins no new part of the process's life. If another user than root can make files in
 * the directory, a policy that allows the call lets an attacker execute a file that it has written there. The policy denies
 * it with ENOENT instead: the search then goes on.
 */
import { isExecutingCall } from "../abi/process-calls.ts";
import { type CallEvent, signedValue } from "../traces/trace.ts";
import { utf8 } from "./aspects.ts";
import { factsOf } from "./branches.ts";
import { enoent, type History, mostFirsts, type Origin, type Segment } from "./history.ts";
import { textPatterns } from "./paths.ts";
import { areComparable } from "./programs.ts";

/** The machine of the proposal. Paths are absolute. */
export interface ProgramFiles {
  /** Whether root alone can make files in the directory. */
  isProtected(directory: string): boolean;
  /** Whether no file is there. */
  isMissing(path: string): boolean;
}

export interface Searches {
  readonly history: History;
  /** The directories whose calls the history lacks, by the call. */
  readonly searched: ReadonlyMap<string, ReadonlySet<string>>;
}

const mostDirectories = 16;

/** The history in which processes go on after a program that was searched in vain. */
export function withoutSearches(history: History, files: ProgramFiles | undefined): Searches {
  const executions = history.signatures.flatMap(({ id, call, aspects, values }) =>
    isExecutingCall(call) ? [{ id, call, path: values[aspects.findIndex(({ is }) => is === "text")] }] : [],
  );
  const paths = executions.flatMap(({ path }) => (typeof path === "string" ? [path] : []));
  // Of programs that a policy cannot name one by one, it cannot tell a call that fails from one that begins a role.
  const isKnown =
    paths.length === executions.length && areComparable(new Set(paths)) && textPatterns(paths, true) !== undefined;
  const isVain = ({ id, path }: (typeof executions)[number]): boolean => {
    // Of a path that ends with a slash the history may have the directory only.
    if (typeof path !== "string" || path.endsWith("/")) return false;
    switch (history.vain.get(id)) {
      case undefined:
        return false;
      case "all results are known":
        return true;
      case "some results are unknown":
        return path.startsWith("/") && files?.isMissing(path) === true;
    }
  };
  const vain = isKnown ? executions.filter(isVain) : [];
  const { segments } = history;
  if (vain.length === 0) return { history: { ...factsOf(history), vain: new Map(), segments }, searched: new Map() };
  const searched = new Map<string, Set<string>>();
  const refused = new Set<number>();
  for (const { id, call, path } of vain) {
    const directory = (path as string).slice(0, (path as string).lastIndexOf("/"));
    if (!directory.startsWith("/") || files?.isProtected(directory) !== false) continue;
    refused.add(id);
    searched.set(call, (searched.get(call) ?? new Set()).add(directory));
  }
  if ([...searched.values()].some(({ size }) => size > mostDirectories)) {
    refused.clear();
    searched.clear();
  }
  const joining = new Map([...history.vain].filter(([id]) => vain.some((one) => one.id === id)));
  return { history: { ...factsOf(history), vain: joining, segments: joined(history, joining, refused) }, searched };
}

/** Whether the call failed with ENOENT; if the recording lacks the result, whether no file is there now. */
export function isSearch({ result, memory }: CallEvent, files: ProgramFiles | undefined): boolean {
  const value = signedValue(result);
  if (value !== undefined) return value === enoent;
  const path = memory.get("path");
  const text = path?.is === "text" && !path.isCut ? utf8(path.bytes) : undefined;
  return text?.startsWith("/") === true && files?.isMissing(text) === true;
}

/** Where a segment begins in the one that it is part of. */
interface Part {
  readonly segment: Segment;
  readonly from: number;
}

/** The segments, each with those that follow one of the `vain` calls, without the `refused` ones. */
function joined({ signatures, segments }: History, vain: History["vain"], refused: ReadonlySet<number>): Segment[] {
  const executing = new Set(signatures.filter(({ call }) => isExecutingCall(call)).map(({ id }) => id));
  const parts = new Map<Segment, Part>();
  const found: Segment[] = [];
  for (const segment of segments) {
    const { origin } = segment;
    if (origin.is === "exec") {
      const call = [...origin.before.occurrences].find(([id, { last }]) => executing.has(id) && last === origin.at);
      if (call !== undefined && vain.has(call[0])) {
        const { segment: before } = parts.get(origin.before)!;
        parts.set(segment, { segment: before, from: before.calls });
        append(before, segment, refused);
        continue;
      }
    }
    const copy = emptied(segment, originIn(origin, parts));
    append(copy, segment, refused);
    parts.set(segment, { segment: copy, from: 0 });
    found.push(copy);
  }
  return found;
}

function emptied(segment: Segment, origin: Origin): Segment {
  const program =
    origin.is === "fork"
      ? origin.parent.program
      : origin.is === "exec"
        ? (origin.program ?? origin.before.program)
        : segment.program;
  return {
    ...{ ...segment, origin, program, calls: 0, turns: 0 },
    ...{ turnsWith: new Map(), occurrences: new Map(), mapped: new Map() },
  };
}

function originIn(origin: Origin, parts: ReadonlyMap<Segment, Part>): Origin {
  switch (origin.is) {
    case "command":
      return origin;
    case "fork": {
      const { segment: parent, from } = parts.get(origin.parent)!;
      return { ...origin, parent, at: from + origin.at };
    }
    case "exec":
    case "branch": {
      const { segment: before, from } = parts.get(origin.before)!;
      return { ...origin, before, at: from + origin.at };
    }
  }
}

/** Appends the calls of `more` to the segment, without those of these signatures. */
function append(segment: Segment, more: Segment, without: ReadonlySet<number>): void {
  const { calls: from, turns, seconds } = segment;
  for (const [id, { count, firsts, isVague, last, firstTime }] of more.occurrences) {
    if (without.has(id)) continue;
    const known = segment.occurrences.get(id);
    const later = firsts.map((position) => from + position);
    segment.occurrences.set(id, {
      count: (known?.count ?? 0) + count,
      firsts: [...(known?.firsts ?? []), ...later].slice(0, mostFirsts),
      isVague: known?.isVague ?? isVague,
      last: from + last,
      firstTime: known === undefined ? sum(from === 0 ? 0 : seconds, firstTime) : known.firstTime,
    });
  }
  for (const [call, { count, last }] of more.turnsWith) {
    const known = segment.turnsWith.get(call);
    // The first turn of `more` goes on with the last one of the segment.
    segment.turnsWith.set(call, { count: (known?.count ?? 0) + count, last: turns + last });
  }
  for (const [file, last] of more.mapped) segment.mapped.set(file, from + last);
  segment.calls += more.calls;
  segment.turns += more.turns;
  if (from > 0) segment.seconds = sum(seconds, more.seconds);
}

function sum(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other;
}
