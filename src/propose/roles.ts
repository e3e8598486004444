/**
 * Roles: the processes of a recording, grouped by how they came to be. A role is a state of a process that only birth and
 * execution change, and that has no way back, because a policy's phases go forward only. Roles that would need one, and
 * roles that make almost the same calls, are one role.
 */
import type { History, Origin, Segment } from "./history.ts";

export interface Role {
  readonly name: string;
  readonly segments: readonly Segment[];
  /** The names of its calls. */
  readonly calls: ReadonlySet<string>;
}

/** A process of `from` that executes one of the programs, by its last name, becomes one of `to`. */
export interface Execution {
  readonly from: Role;
  readonly to: Role;
  /** Empty if the recordings do not have them. */
  readonly programs: readonly string[];
}

export interface Roles {
  /** A role's parent is before it. */
  readonly list: readonly Role[];
  /** The role of a child, by its parent's; without an entry it is its parent's. */
  readonly children: ReadonlyMap<Role, Role>;
  readonly executions: readonly Execution[];
  roleOf(segment: Segment): Role;
}

/** More roles than a person reads. */
const mostRoles = 6;
/** Roles that share more of their calls are one. */
const alike = 0.85;
/** Generations of children that are distinguished. */
const mostGenerations = 3;

/** How many processes the segments are of. */
export function processesOf(segments: readonly Segment[]): number {
  return new Set(segments.map(({ process }) => process)).size;
}

export function findRoles({ segments, signatures, executed }: History): Roles {
  // A path that is not known leaves open which program it is, so then all are one.
  const isKnown = segments.every(({ origin }) => origin.is !== "exec" || origin.program !== undefined);
  const grouping = new Grouping(isKnown, executed);
  for (const segment of segments) {
    const key = grouping.add(segment);
    for (const id of segment.occurrences.keys()) grouping.call(key, signatures[id]!.call);
  }
  grouping.merge();
  return grouping.roles(segments);
}

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly is: "fork" | "exec";
  readonly program: string | undefined;
}

class Grouping {
  readonly #keys = new Map<Segment, string>();
  readonly #calls = new Map<string, Set<string>>();
  /** Disjoint sets of keys. */
  readonly #parent = new Map<string, string>();
  readonly #edges = new Map<string, Edge>();
  readonly #isKnown: boolean;
  readonly #executed: ReadonlySet<string> | undefined;

  constructor(isKnown: boolean, executed: ReadonlySet<string> | undefined) {
    this.#isKnown = isKnown;
    this.#executed = executed;
  }

  add(segment: Segment): string {
    const key = this.#keyOf(segment.origin);
    this.#keys.set(segment, key);
    if (!this.#parent.has(key)) {
      this.#parent.set(key, key);
      this.#calls.set(key, new Set());
    }
    const { origin } = segment;
    if (origin.is === "fork") this.#edge(this.#keys.get(origin.parent)!, key, "fork", undefined);
    if (origin.is === "exec") this.#edge(this.#keys.get(origin.before)!, key, "exec", this.#program(origin));
    return key;
  }

  call(key: string, name: string): void {
    this.#calls.get(key)!.add(name);
  }

  #keyOf(origin: Origin): string {
    switch (origin.is) {
      case "command":
        return "main";
      case "fork":
        return this.#deeper(this.#keys.get(origin.parent)!, "child");
      case "exec": {
        const before = this.#keys.get(origin.before)!;
        if (!this.#isKnown) return this.#deeper(before, "program");
        return this.#isProgram(origin) ? `exec ${origin.program}` : before;
      }
    }
  }

  /** A call without a path fails, and is not judged. A program that never began, as a shell searches PATH, is no role. */
  #isProgram({ program }: Origin & { is: "exec" }): boolean {
    return typeof program === "string" && this.#executed?.has(program) !== false;
  }

  #program(origin: Origin & { is: "exec" }): string | undefined {
    return this.#isKnown && this.#isProgram(origin) ? (origin.program ?? undefined) : undefined;
  }

  #deeper(key: string, step: string): string {
    return key.split("/").length > mostGenerations ? key : `${key}/${step}`;
  }

  #edge(from: string, to: string, is: Edge["is"], program: string | undefined): void {
    this.#edges.set(`${is} ${from}\0${to}\0${program}`, { from, to, is, program });
  }

  #find(key: string): string {
    let root = key;
    while (this.#parent.get(root) !== root) root = this.#parent.get(root)!;
    this.#parent.set(key, root);
    return root;
  }

  #union(left: string, right: string): void {
    const [a, b] = [this.#find(left), this.#find(right)];
    if (a === b) return;
    // The earlier key names the role.
    const order = [...this.#parent.keys()];
    const [first, second] = order.indexOf(a) < order.indexOf(b) ? [a, b] : [b, a];
    this.#parent.set(second, first);
    for (const call of this.#calls.get(second)!) this.#calls.get(first)!.add(call);
  }

  get #roots(): string[] {
    return [...this.#parent.keys()].filter((key) => this.#find(key) === key);
  }

  merge(): void {
    this.#settle();
    for (;;) {
      const roots = this.#roots;
      const pairs = this.#related().map(([a, b]) => ({ a, b, likeness: this.#likeness(a, b) }));
      pairs.sort((one, two) => two.likeness - one.likeness);
      const best = pairs[0];
      if (best === undefined || (best.likeness < alike && roots.length <= mostRoles)) return;
      this.#union(best.a, best.b);
      this.#settle();
    }
  }

  /** Pairs of roles of which one makes the other, or that the same role makes. */
  #related(): [string, string][] {
    const pairs = new Map<string, [string, string]>();
    const made = new Map<string, string[]>();
    for (const { from, to } of this.#edges.values()) {
      const [a, b] = [this.#find(from), this.#find(to)];
      if (a === b) continue;
      pairs.set(`${a}\0${b}`, [a, b]);
      for (const sibling of made.get(a) ?? []) if (sibling !== b) pairs.set(`${sibling}\0${b}`, [sibling, b]);
      made.set(a, [...(made.get(a) ?? []), b]);
    }
    return [...pairs.values()];
  }

  #likeness(a: string, b: string): number {
    const [left, right] = [this.#calls.get(a)!, this.#calls.get(b)!];
    let shared = 0;
    for (const call of left) if (right.has(call)) shared++;
    const all = left.size + right.size - shared;
    return all === 0 ? 1 : shared / all;
  }

  /** Merges until a role has one role of children, an execution one result, and there is no way back. */
  #settle(): void {
    for (let changed = true; changed; ) {
      changed = this.#oneResult() || this.#noWayBack();
    }
  }

  #oneResult(): boolean {
    const results = new Map<string, string>();
    let changed = false;
    for (const { from, to, is, program } of this.#edges.values()) {
      const step = `${is} ${this.#find(from)}\0${program}`;
      const before = results.get(step);
      if (before === undefined) results.set(step, to);
      else if (this.#find(before) !== this.#find(to)) {
        this.#union(before, to);
        changed = true;
      }
    }
    return changed;
  }

  #noWayBack(): boolean {
    const next = new Map<string, Set<string>>();
    for (const { from, to } of this.#edges.values()) {
      const [a, b] = [this.#find(from), this.#find(to)];
      if (a !== b) next.set(a, (next.get(a) ?? new Set()).add(b));
    }
    for (const start of next.keys()) {
      const reached = new Set(next.get(start));
      for (const one of reached) for (const two of next.get(one) ?? []) reached.add(two);
      if (!reached.has(start)) continue;
      // All roles on a way from it to itself.
      for (const one of reached) {
        const further = new Set(next.get(one));
        for (const two of further) for (const three of next.get(two) ?? []) further.add(three);
        if (further.has(start)) this.#union(start, one);
      }
      return true;
    }
    return false;
  }

  roles(segments: readonly Segment[]): Roles {
    const made = new Map<string, { name: string; segments: Segment[]; calls: ReadonlySet<string> }>();
    const names = new Set<string>();
    for (const root of this.#ordered()) {
      const name = distinct(this.#nameOf(root), names);
      made.set(root, { name, segments: [], calls: this.#calls.get(root)! });
    }
    const roleOf = (segment: Segment) => made.get(this.#find(this.#keys.get(segment)!))!;
    for (const segment of segments) roleOf(segment).segments.push(segment);
    const children = new Map<Role, Role>();
    const executions = new Map<string, Execution & { programs: string[] }>();
    for (const { from, to, is, program } of this.#edges.values()) {
      const [a, b] = [made.get(this.#find(from))!, made.get(this.#find(to))!];
      if (a === b) continue;
      if (is === "fork") children.set(a, b);
      else {
        const key = `${a.name}\0${b.name}`;
        const entry = executions.get(key) ?? { from: a, to: b, programs: [] };
        if (program !== undefined && !entry.programs.includes(program)) entry.programs.push(program);
        executions.set(key, entry);
      }
    }
    return { list: [...made.values()], children, executions: [...executions.values()], roleOf };
  }

  /** Parents before children. There is no way back, so this ends. */
  #ordered(): string[] {
    const rest = new Set(this.#roots);
    const edges = [...this.#edges.values()].map(({ from, to }) => [this.#find(from), this.#find(to)] as const);
    const order: string[] = [];
    while (rest.size > 0) {
      const next = [...rest].filter((key) => !edges.some(([a, b]) => b === key && a !== b && rest.has(a)));
      for (const key of next) {
        rest.delete(key);
        order.push(key);
      }
    }
    return order;
  }

  /** `main`, `child`, `grandchild`; `git`, `git-child`. */
  #nameOf(root: string): string {
    const plain = root.replace("main/child/child", "main/grandchild").replace(/^main\//, "");
    return plain.replace(/^exec /, "").replaceAll("/", "-") || "program";
  }
}

function distinct(name: string, names: Set<string>): string {
  let chosen = name;
  for (let number = 2; names.has(chosen); number++) chosen = `${name}-${number}`;
  names.add(chosen);
  return chosen;
}
