/**
 * Roles: the processes of a recording, grouped by their origin. A role is a state of a process that only birth,
 * execution and the first call of a branch change. It cannot return, because a policy's phases go forward only. Roles
 * that would need a return, and roles that make almost the same calls, are merged.
 */
import type { History, Origin, Segment } from "./history.ts";
import { areComparable } from "./programs.ts";
import { isPower } from "./sensitive.ts";

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

/** A process of `from` that makes the call becomes one of `to`. */
export interface RoleBranch {
  readonly from: Role;
  readonly to: Role;
  readonly call: string;
}

export interface Roles {
  /** A role's parent is before it. */
  readonly list: readonly Role[];
  /** The role of a child, by its parent's; a parent without an entry has children of its own role. */
  readonly children: ReadonlyMap<Role, Role>;
  readonly executions: readonly Execution[];
  readonly branches: readonly RoleBranch[];
  roleOf(segment: Segment): Role;
}

/** A bound on roles: more are not readable. */
const mostRoles = 8;
/** Roles that share more than this part of their calls are merged. */
const alike = 0.85;
/** Merge roles if each process then gains, on average, fewer allowed calls than this. */
const negligible = 0.05;
/** The number of roles that one role creates; beyond it they are merged. */
const mostResults = 16;
/** Characters of a role's name. */
const longestName = 40;
/** The number of generations of children that are distinguished. */
const mostGenerations = 3;

/** The number of processes of the segments. */
export function processesOf(segments: readonly Segment[]): number {
  return new Set(segments.map(({ process }) => process)).size;
}

export function findRoles({ segments, signatures, executed }: History): Roles {
  // An unknown path can name any program, so all programs are then merged.
  const isKnown = segments.every(({ origin }) => origin.is !== "exec" || origin.program !== undefined);
  const grouping = new Grouping(isKnown, executed);
  const branches = new Map(
    segments.flatMap(({ origin }) => (origin.is === "branch" ? [[origin.before, origin.call] as const] : [])),
  );
  const branching = new Set(branches.values());
  for (const segment of segments) {
    const key = grouping.add(segment);
    for (const id of segment.occurrences.keys()) {
      const { call } = signatures[id]!;
      grouping.call(key, call);
      if (isPower(call)) grouping.power(key, call);
      if (branching.has(call) && branches.get(segment) !== call) grouping.goesOnAt(key, call);
    }
  }
  grouping.merge();
  return grouping.roles(segments);
}

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly is: "fork" | "exec" | "branch";
  /** The program's last name, or the call of a branch. */
  readonly by: string | undefined;
}

class Grouping {
  readonly #keys = new Map<Segment, string>();
  readonly #calls = new Map<string, Set<string>>();
  /** Sensitive calls. */
  readonly #powers = new Map<string, Set<string>>();
  readonly #lives = new Map<string, { calls: number; seconds: number }>();
  /** Calls of branches after which a process of the role continues in it. */
  readonly #passed = new Map<string, Set<string>>();
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
      this.#passed.set(key, new Set());
      this.#powers.set(key, new Set());
      this.#lives.set(key, { calls: 0, seconds: 0 });
    }
    const life = this.#lives.get(key)!;
    life.calls += segment.calls;
    life.seconds += segment.seconds ?? 0;
    const { origin } = segment;
    switch (origin.is) {
      case "command":
        break;
      case "fork":
        this.#edge(this.#keys.get(origin.parent)!, key, "fork", undefined);
        break;
      case "exec":
        this.#edge(this.#keys.get(origin.before)!, key, "exec", this.#program(origin));
        break;
      case "branch":
        this.#edge(this.#keys.get(origin.before)!, key, "branch", origin.call);
        break;
    }
    return key;
  }

  call(key: string, name: string): void {
    this.#calls.get(key)!.add(name);
  }

  power(key: string, name: string): void {
    this.#powers.get(key)!.add(name);
  }

  /** A process makes the call of a branch, and does not take the branch. */
  goesOnAt(key: string, call: string): void {
    this.#passed.get(key)!.add(call);
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
        // It executes its own program again.
        if (typeof origin.program === "string" && origin.program === origin.before.program) return before;
        return this.#isProgram(origin) ? `exec ${origin.program}` : before;
      }
      case "branch":
        return `${this.#keys.get(origin.before)!}:${origin.call}`;
    }
  }

  /**
   * A call without a path fails without a judgement. A program that never began, as when a shell searches PATH, makes
   * no role.
   */
  #isProgram({ program }: Origin & { is: "exec" }): boolean {
    return typeof program === "string" && this.#executed?.has(program) !== false;
  }

  #program(origin: Origin & { is: "exec" }): string | undefined {
    return this.#isKnown && this.#isProgram(origin) ? (origin.program ?? undefined) : undefined;
  }

  #deeper(key: string, step: string): string {
    return key.split("/").length > mostGenerations ? key : `${key}/${step}`;
  }

  #edge(from: string, to: string, is: Edge["is"], by: string | undefined): void {
    this.#edges.set(`${is} ${from}\0${to}\0${by}`, { from, to, is, by });
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
    for (const call of this.#passed.get(second)!) this.#passed.get(first)!.add(call);
    for (const call of this.#powers.get(second)!) this.#powers.get(first)!.add(call);
    const [life, other] = [this.#lives.get(first)!, this.#lives.get(second)!];
    life.calls += other.calls;
    life.seconds += other.seconds;
  }

  get #roots(): string[] {
    return [...this.#parent.keys()].filter((key) => this.#find(key) === key);
  }

  merge(): void {
    this.#settle();
    this.#crowds();
    for (;;) {
      const pairs = this.#related().map(([a, b]) => ({ a, b, likeness: this.#likeness(a, b), cost: this.#cost(a, b) }));
      const isTooMany = this.#roots.length > mostRoles;
      const possible = pairs.filter(({ a, b, likeness, cost }) => {
        const isSafe = differences(this.#powers.get(a)!, this.#powers.get(b)!) === 0;
        return isTooMany || (isSafe && (likeness >= alike || cost < negligible));
      });
      possible.sort((one, two) => one.cost - two.cost || two.likeness - one.likeness);
      const [best] = possible;
      if (best === undefined) return;
      this.#union(best.a, best.b);
      this.#settle();
    }
  }

  /** Merges the many programs of one role, so that the pairs below and the patterns of a policy remain few. */
  #crowds(): void {
    for (;;) {
      const made = new Map<string, { results: Set<string>; programs: Set<string> }>();
      const programs = new Set<string>();
      for (const { from, to, is, by } of this.#edges.values()) {
        const [a, b] = [this.#find(from), this.#find(to)];
        if (a === b) continue;
        const entry = made.get(a) ?? { results: new Set(), programs: new Set() };
        made.set(a, entry);
        entry.results.add(b);
        if (is !== "exec" || by === undefined) continue;
        entry.programs.add(by);
        programs.add(by);
      }
      const parents = [...made];
      const crowd = parents.find(([, { results }]) => results.size > mostResults);
      if (crowd !== undefined) {
        const [first, ...others] = crowd[1].results;
        for (const other of others) this.#union(first!, other);
      } else if (!areComparable(programs)) {
        const [parent, { results }] = parents.reduce((most, one) =>
          one[1].programs.size > most[1].programs.size ? one : most,
        );
        for (const other of results) this.#union(parent, other);
      } else return;
      this.#settle();
    }
  }

  /** The additional calls of a merged role over the two: call names, in the mean over the lives of all processes. */
  #cost(a: string, b: string): number {
    const [left, right] = [this.#calls.get(a)!, this.#calls.get(b)!];
    const powers = differences(this.#powers.get(a)!, this.#powers.get(b)!);
    return lacking(left, right) * this.#shareOf(a) + lacking(right, left) * this.#shareOf(b) + powers;
  }

  #shareOf(root: string): number {
    const all = { calls: 0, seconds: 0 };
    for (const one of this.#roots) {
      all.calls += this.#lives.get(one)!.calls;
      all.seconds += this.#lives.get(one)!.seconds;
    }
    const { calls, seconds } = this.#lives.get(root)!;
    return Math.max(calls / Math.max(1, all.calls), all.seconds === 0 ? 0 : seconds / all.seconds);
  }

  /** Pairs of roles of which one creates the other, or which the same role creates. */
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

  /** Merges until each role has one role of children, each execution has one result, and no role can return. */
  #settle(): void {
    for (let changed = true; changed; ) {
      changed = this.#oneResult() || this.#noWayBack() || this.#allBranch();
    }
  }

  /** A branch counts only if each process of the role that makes its call takes it. */
  #allBranch(): boolean {
    for (const { from, to, is, by } of this.#edges.values()) {
      if (is !== "branch" || this.#find(from) === this.#find(to)) continue;
      if (!this.#passed.get(this.#find(from))!.has(by!)) continue;
      this.#union(from, to);
      return true;
    }
    return false;
  }

  #oneResult(): boolean {
    const results = new Map<string, string>();
    let changed = false;
    for (const { from, to, is, by } of this.#edges.values()) {
      const step = `${is} ${this.#find(from)}\0${by}`;
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
      // All roles on a cycle through it.
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
    const branches = new Map<string, RoleBranch>();
    for (const { from, to, is, by } of this.#edges.values()) {
      const [a, b] = [made.get(this.#find(from))!, made.get(this.#find(to))!];
      if (a === b) continue;
      const key = `${a.name}\0${b.name}`;
      switch (is) {
        case "fork":
          children.set(a, b);
          break;
        case "exec": {
          const entry = executions.get(key) ?? { from: a, to: b, programs: [] };
          if (by !== undefined && !entry.programs.includes(by)) entry.programs.push(by);
          executions.set(key, entry);
          break;
        }
        case "branch":
          branches.set(`${key}\0${by}`, { from: a, to: b, call: by! });
          break;
      }
    }
    const list = [...made.values()];
    return { list, children, executions: [...executions.values()], branches: [...branches.values()], roleOf };
  }

  /** Puts parents before children. No role returns, so the loop ends. */
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

  /** `main`, `child`, `grandchild`; `git`, `git-child`; `child-setsid` of a branch. */
  #nameOf(root: string): string {
    const plain = root.replace("main/child/child", "main/grandchild").replace(/^main\//, "");
    // The name comes from the recording and appears in comments of the policy.
    const safe = plain.replace(/^exec /, "").replaceAll(/[^\w.+-]+/g, "-");
    return safe.slice(0, longestName) || "program";
  }
}

/** The number of calls that the second set adds. */
function lacking(have: ReadonlySet<string>, get: ReadonlySet<string>): number {
  return [...get].filter((call) => !have.has(call)).length;
}

function differences(left: ReadonlySet<string>, right: ReadonlySet<string>): number {
  return lacking(left, right) + lacking(right, left);
}

function distinct(name: string, names: Set<string>): string {
  let chosen = name;
  for (let number = 2; names.has(chosen); number++) chosen = `${name}-${number}`;
  names.add(chosen);
  return chosen;
}
