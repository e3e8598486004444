/**
 * Generalises recorded uses of files to entries of `files`, so that a person can follow them:
 *
 * 1. A file stands for itself, and a name that was made, renamed or removed for its directory.
 * 2. More than three entries below a directory become that directory; below one that many programs share (/usr/bin,
 *    /var/lib, …) more than 24; below a top-level directory or a home directory, never.
 *
 * A directory of that last kind is an entry only if a name was made in it, or if it was listed, with that reason. The root
 * directory and home directories never are: the entries that need them are left out, and named.
 */
import { dirname } from "node:path";
import { runtimeFiles } from "../../ir/runtime-files.ts";
import type { Machine } from "./machine.ts";
import type { Use } from "./uses.ts";

export const proposedLists = ["read", "write", "execute"] as const;
export type ProposedList = (typeof proposedLists)[number];

export interface Entry {
  readonly path: string;
  /** The number of different recorded paths that it stands for, and the first. */
  readonly paths: number;
  readonly example: string;
  /** Why the entry is wider than its paths. */
  readonly why: string | undefined;
}

export interface FileEntries {
  readonly lists: { readonly [List in ProposedList]: readonly Entry[] };
  /** What the lists would need, and no proposal has. */
  readonly leftOut: { readonly [List in ProposedList]: readonly Entry[] };
  /** Entries that are not on this machine, or were made by the recorded command: a start without them fails. */
  readonly missing: readonly string[];
}

export interface RecordedUses {
  /** By real path. */
  readonly files: ReadonlyMap<string, ReadonlySet<Use>>;
  readonly directories: ReadonlySet<string>;
  readonly moves: readonly (readonly [from: string, to: string])[];
}

const most = { own: 3, shared: 24 } as const;

const sharedDirectories: ReadonlySet<string> = new Set([
  ...["bin", "sbin", "lib", "lib64", "libexec", "share", "local", "local/bin", "local/lib"].map(
    (name) => `/usr/${name}`,
  ),
  ...["cache", "lib", "log", "mail", "spool", "tmp"].map((name) => `/var/${name}`),
  ...["/run/lock", "/run/user", "/dev/shm"],
]);
/** Below a home directory. */
const sharedInHome: ReadonlySet<string> = new Set([
  ".aws",
  ".cache",
  ".config",
  ".gnupg",
  ".local",
  ".local/share",
  ".local/state",
  ".ssh",
]);

type Width = "own" | "shared" | "top" | "never";

/** A path on its way to an entry: the recorded paths that it stands for. */
interface Candidate {
  readonly paths: Set<string>;
  why: string | undefined;
}
type Candidates = Map<string, Candidate>;

export function entriesOf(uses: RecordedUses, machine: Machine): FileEntries {
  return new Generalisation(uses, machine).result();
}

class Generalisation {
  readonly #uses: RecordedUses;
  readonly #machine: Machine;
  readonly #homes: ReadonlySet<string>;
  readonly #runtime: { readonly [List in ProposedList]: ReadonlySet<string> };
  /** Names that stand for their directories. */
  readonly #made = new Set<string>();
  readonly #lists: { readonly [List in ProposedList]: Candidates } = {
    read: new Map(),
    write: new Map(),
    execute: new Map(),
  };
  readonly #leftOut: { readonly [List in ProposedList]: Candidates } = {
    read: new Map(),
    write: new Map(),
    execute: new Map(),
  };

  constructor(uses: RecordedUses, machine: Machine) {
    this.#uses = uses;
    this.#machine = machine;
    this.#homes = new Set(["/root", machine.home, machine.real(machine.home)]);
    const runtime = (list: ProposedList) => {
      const paths = runtimeFiles[list] ?? [];
      // The link /proc/self has another target in each process.
      return new Set(paths.flatMap((path) => [path, ...(path.startsWith("/proc") ? [] : [machine.real(path)])]));
    };
    this.#runtime = { read: runtime("read"), write: runtime("write"), execute: runtime("execute") };
  }

  result(): FileEntries {
    for (const [path, found] of this.#uses.files) if (this.#isForDirectory(path, found)) this.#made.add(path);
    for (const [path, found] of this.#uses.files) this.#add(path, found);
    for (const list of proposedLists) this.#gather(this.#lists[list]);
    this.#permitMoves();
    const entries = (candidates: Candidates) => [...candidates].map(toEntry).sort((a, b) => (a.path < b.path ? -1 : 1));
    const each = (of: (list: ProposedList) => readonly Entry[]) => ({
      read: of("read"),
      write: of("write"),
      execute: of("execute"),
    });
    const lists = each((list) => entries(this.#lists[list]));
    const paths = new Set(proposedLists.flatMap((list) => lists[list].map(({ path }) => path)));
    return {
      lists,
      leftOut: each((list) => entries(this.#leftOut[list])),
      missing: [...paths].filter((path) => this.#machine.kind(path) === undefined),
    };
  }

  #width(directory: string): Width {
    if (directory === "/" || directory === "/proc") return "never";
    const above = dirname(directory);
    if (this.#homes.has(directory) || above === "/home") return "never";
    if (above === "/") return "top";
    const home =
      [...this.#homes].find((one) => directory.startsWith(`${one}/`)) ?? /^\/home\/[^/]+/.exec(directory)?.[0];
    const isShared =
      home === undefined ? sharedDirectories.has(directory) : sharedInHome.has(directory.slice(home.length + 1));
    return isShared ? "shared" : "own";
  }

  /** Whether the name was made or removed, so that its directory must permit it. */
  #isForDirectory(path: string, uses: ReadonlySet<Use>): boolean {
    if (uses.has("remove")) return true;
    if (!uses.has("make") && !uses.has("create")) return false;
    if (isAtOrBelow(path, this.#runtime.write)) return false;
    const width = this.#width(dirname(path));
    // A file that remained need not be made again. The next temporary file has another name.
    const canRemain = width === "never" || (width !== "own" && !uses.has("make"));
    return !canRemain || this.#machine.kind(path) === undefined;
  }

  #add(path: string, uses: ReadonlySet<Use>): void {
    const made = this.#highestMade(path);
    const list = (name: ProposedList) => this.#candidate(name, path, made);
    if (uses.has("read")) list("read");
    if (uses.has("execute")) list("execute");
    if (["write", "create", "make", "remove"].some((use) => uses.has(use as Use))) list("write");
  }

  #highestMade(path: string): string | undefined {
    let found: string | undefined;
    for (let at = path; at !== "/"; at = dirname(at)) if (this.#made.has(at)) found = at;
    return found;
  }

  #candidate(list: ProposedList, path: string, made: string | undefined): void {
    const entry = made === undefined ? path : dirname(made);
    if (isAtOrBelow(entry, this.#runtime[list])) return;
    const isDirectory = made !== undefined || this.#uses.directories.has(path);
    const width = isDirectory ? this.#width(entry) : "own";
    const why =
      width === "own"
        ? undefined
        : entry === "/proc"
          ? "the directory of a process has another number in each start"
          : made === undefined
            ? "it is opened itself"
            : `${made.slice(entry.length).replace(/^\//, "")} is made, renamed or removed in it`;
    join((width === "never" ? this.#leftOut : this.#lists)[list], entry, [path], why);
  }

  #isCovered(list: ProposedList, path: string): boolean {
    return isAtOrBelow(path, this.#runtime[list]) || isAtOrBelow(path, this.#lists[list]);
  }

  /** Many entries become their directory, from the deepest directories on. */
  #gather(candidates: Candidates): void {
    const children = new Map<string, Set<string>>();
    for (const path of candidates.keys()) {
      for (let at = path; at !== "/"; at = dirname(at)) {
        const known = children.get(dirname(at)) ?? new Set();
        children.set(dirname(at), known.add(at));
      }
    }
    const visit = (directory: string): readonly string[] => {
      const inside = [...(children.get(directory) ?? [])].flatMap(visit);
      const width = this.#width(directory);
      const isMany = (width === "own" || width === "shared") && inside.length > most[width];
      if (!isMany && !candidates.has(directory)) return inside;
      for (const path of inside) {
        join(candidates, directory, candidates.get(path)!.paths, undefined);
        candidates.delete(path);
      }
      return [directory];
    };
    visit("/");
  }

  /**
   * Landlock refuses to move a file to a directory where it would have more rights (EXDEV), so its former directory gets
   * those of the new one.
   */
  #permitMoves(): void {
    let isDone: boolean;
    do {
      isDone = true;
      for (const [from, to] of this.#uses.moves) {
        const [source, target] = [dirname(this.#highestMade(from) ?? from), dirname(this.#highestMade(to) ?? to)];
        if (source === target || from.startsWith("/proc")) continue;
        for (const list of proposedLists) {
          if (!this.#isCovered(list, to) || this.#isCovered(list, from)) continue;
          const width = this.#width(source);
          const why = `files move from here to ${target}`;
          join((width === "never" ? this.#leftOut : this.#lists)[list], source, [from], why);
          if (width === "never") continue;
          this.#gather(this.#lists[list]);
          isDone = false;
        }
      }
    } while (!isDone);
  }
}

function toEntry([path, { paths, why }]: [string, Candidate]): Entry {
  const [example = path] = paths;
  return { path, paths: paths.size, example, why };
}

function join(candidates: Candidates, entry: string, paths: Iterable<string>, why: string | undefined): void {
  const known = candidates.get(entry);
  if (known === undefined) candidates.set(entry, { paths: new Set(paths), why });
  else {
    for (const path of paths) known.paths.add(path);
    known.why ??= why;
  }
}

/** Without the root directory, the nearest first. */
function directoriesAbove(path: string): string[] {
  const found: string[] = [];
  for (let at = dirname(path); at !== "/"; at = dirname(at)) found.push(at);
  return found;
}

function isAtOrBelow(path: string, entries: { has(path: string): boolean }): boolean {
  return entries.has(path) || directoriesAbove(path).some((directory) => entries.has(directory));
}
