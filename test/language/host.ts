/**
 * An independent oracle: runs a policy module as JavaScript. Types are stripped, "portcullis" is this small library,
 * and state is in plain maps. It shares only the tables of calls, errnos and flags with the compiler, so agreement
 * shows that the compiled policy has JavaScript's semantics.
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import type { CallDescription, CallParameter } from "../../src/abi/call.ts";
import { callByNumber, registerOf } from "../../src/abi/calls.ts";
import { callFamilies } from "../../src/abi/families.ts";
import { nameSet } from "../../src/abi/flags.ts";
import { groups } from "../../src/abi/groups.ts";
import type { Circumstances, SystemCallEvent } from "../../src/ir/evaluation.ts";
import type { TraceStep } from "../../src/ir/testing/traces.ts";
import { identifier } from "../../src/ir/testing/traces.ts";
import { kernelBits } from "./kernel-bits.ts";

export interface HostVerdict {
  readonly action: string;
  readonly errno: string;
  readonly reason: string | undefined;
}

export interface HostEvaluation {
  readonly verdict: HostVerdict;
  readonly reports: readonly { readonly text: string; readonly values: Readonly<Record<string, bigint | boolean>> }[];
}

const order = ["allow", "log", "deny", "trap", "kill-thread", "kill-process"];
const strictness = (verdict: HostVerdict) => order.indexOf(verdict.action);

interface Declared {
  readonly scope: "thread" | "process" | "tree";
  readonly start: () => unknown;
  readonly inherit: (parent: unknown) => unknown;
}

type Holder = Map<number, unknown>;
type Call = Record<string, unknown>;
interface HostPolicy {
  readonly step: (call: Call) => HostVerdict;
  readonly extended: readonly HostPolicy[];
}

/** Loads a policy module by running it with an executable library. */
export class Host {
  private readonly architecture: ArchitectureName;
  private readonly set: ReadonlyMap<string, string>;
  private readonly declared: Declared[] = [];
  private readonly parts: readonly HostPolicy[];
  private holders: { thread: Holder; process: Holder; tree: Holder } | undefined;
  private circumstances: Circumstances | undefined;
  private raised: HostVerdict[] = [];
  private reports: { text: string; values: Record<string, bigint | boolean> }[] = [];

  constructor(path: string, architecture: ArchitectureName, set: ReadonlyMap<string, string> = new Map()) {
    this.architecture = architecture;
    this.set = set;
    const library = fileURLToPath(new URL("host-library.js", import.meta.url));
    const built = buildSync({
      entryPoints: [path],
      bundle: true,
      write: false,
      format: "cjs",
      target: "es2022",
      alias: { portcullis: library, "portcullis/policies": join(import.meta.dirname, "../../policies") },
      loader: { ".json": "json" },
    });
    const module: { exports: { default?: HostPolicy } } = { exports: {} };
    new Function("module", "exports", "portcullisHost", built.outputFiles[0]!.text)(
      module,
      module.exports,
      this.library(),
    );
    const parts = new Set<HostPolicy>();
    const visit = (policy: HostPolicy): void => {
      if (parts.has(policy)) return;
      policy.extended.forEach(visit);
      parts.add(policy);
    };
    visit(module.exports.default!);
    this.parts = [...parts];
  }

  evaluate(
    event: SystemCallEvent,
    circumstances: Circumstances,
    holders: NonNullable<Host["holders"]>,
  ): HostEvaluation {
    this.holders = holders;
    this.circumstances = circumstances;
    this.raised = [];
    this.reports = [];
    const call = this.call(event);
    const verdicts = this.parts.map((part) => part.step(call)).reverse();
    const verdict = [...verdicts, ...this.raised].reduce((a, b) => (strictness(b) > strictness(a) ? b : a));
    this.holders = undefined;
    return { verdict, reports: this.reports };
  }

  /**
   * Runs a whole trace; `judged` selects the calls that reach the policy. One evaluation for each judged call, in
   * order.
   */
  run(trace: readonly TraceStep[], judged: (event: SystemCallEvent) => boolean): (HostEvaluation | undefined)[] {
    const tree: Holder = new Map();
    const tasks = new Map<number, { leader: number; thread: Holder; process: Holder }>([
      [0, { leader: 0, thread: new Map(), process: new Map() }],
    ]);
    const outcomes: (HostEvaluation | undefined)[] = [];
    for (const step of trace) {
      if (step.kind === "call") {
        if (!judged(step.event)) {
          outcomes.push(undefined);
          continue;
        }
        const { leader, thread, process } = tasks.get(step.task)!;
        const alive = BigInt(new Set([...tasks.values()].map((task) => task.leader)).size);
        const { now, uid, gid } = step;
        const who = { now, uid, gid, pid: identifier(leader), tid: identifier(step.task), alive };
        outcomes.push(this.evaluate(step.event, who, { thread, process, tree }));
      } else if (step.kind === "fork") {
        const { thread, process } = tasks.get(step.parent)!;
        const child = { leader: step.child, thread: this.inherit(thread), process: this.inherit(process) };
        tasks.set(step.child, child);
      } else if (step.kind === "thread") {
        const { leader, process } = tasks.get(step.parent)!;
        tasks.set(step.child, { leader, process, thread: new Map() });
      } else tasks.delete(step.task);
    }
    return outcomes;
  }

  private inherit(parent: Holder): Holder {
    const child: Holder = new Map();
    for (const [index, value] of parent) child.set(index, this.declared[index]!.inherit(value));
    // The child's transition also applies if the parent is in the first phase.
    for (const [index, declared] of this.declared.entries()) {
      if (!child.has(index)) child.set(index, declared.inherit(declared.start()));
    }
    return child;
  }

  // ── The library ───────────────────────────────────────────────────────────────────────────────────────────────────

  private library(): Record<string, unknown> {
    const verdict = (action: string, errno = "", reason?: string): HostVerdict => ({ action, errno, reason });
    const calls = Object.assign((...names: string[]) => callSet(expand(names)), {
      ...Object.fromEntries(callFamilies.map((family) => [family.name, callSet(new Set(family.members))])),
    });
    return {
      allow: verdict("allow"),
      log: verdict("log"),
      deny: (errno: string, reason?: string) => verdict("deny", errno, reason),
      trap: (reason?: string) => verdict("trap", "", reason),
      kill: (what: string, reason?: string) => verdict(`kill-${what}`, "", reason),
      strictest: (...of: HostVerdict[]) => of.reduce((a, b) => (strictness(b) > strictness(a) ? b : a)),
      calls,
      perThread: this.scope("thread"),
      perProcess: this.scope("process"),
      perTree: this.scope("tree"),
      tree: { alive: () => this.circumstances!.alive },
      now: () => this.circumstances!.now,
      duration,
      report: (text: string, values: Record<string, bigint | boolean> = {}) => this.reports.push({ text, values }),
      policy: (...given: unknown[]): HostPolicy => ({
        step: given.at(-1) as HostPolicy["step"],
        extended: given.length > 1 ? ((given[0] as { extends?: HostPolicy[] }).extends ?? []) : [],
      }),
      parameter: {
        integer: (name: string, settings?: { default?: bigint }) => this.parameter(name, settings, BigInt),
        flag: (name: string, settings?: { default?: boolean }) =>
          this.parameter(name, settings, (text) => text === "true"),
        text: (name: string, settings?: { default?: string }) => this.parameter(name, settings, (text) => text),
        path: (name: string, settings?: { default?: string }) => this.parameter(name, settings, (text) => text),
      },
    };
  }

  private parameter<T>(name: string, settings: { default?: T } | undefined, read: (text: string) => T): T {
    const given = this.set.get(name);
    return given === undefined ? settings!.default! : read(given);
  }

  private declare(scope: Declared["scope"], start: () => unknown, inherit: (parent: unknown) => unknown): Slot {
    const index = this.declared.push({ scope, start, inherit }) - 1;
    return {
      get: () => {
        const holder = this.holders![scope];
        if (!holder.has(index)) holder.set(index, start());
        return holder.get(index);
      },
      set: (value) => this.holders![scope].set(index, value),
    };
  }

  private scope(scope: Declared["scope"]): Record<string, unknown> {
    type Options = { onFork?: unknown } | undefined;
    const plain = (start: () => unknown, options: Options) =>
      this.declare(scope, start, (parent) => (options?.onFork === "fresh" ? start() : parent));
    const most = 0x7fff_ffff_ffff_ffffn;
    return {
      flag: (start = false, options?: Options) => plain(() => start, options),
      value: (start: bigint, options?: Options) => plain(() => start, options),
      counter: (start = 0n, options?: Options) => {
        const slot = plain(() => start, options);
        const change = (by: bigint) => {
          const next = (slot.get() as bigint) + by;
          slot.set(next < 0n ? 0n : next > most ? most : next);
          return slot.get();
        };
        return { get: slot.get, add: (by = 1n) => change(by), subtract: (by = 1n) => change(-by) };
      },
      phases: (names: string[], options?: { onFork?: string | Record<string, string> }) => {
        const onFork = options?.onFork ?? "copy";
        const slot = this.declare(
          scope,
          () => 0,
          (parent) => {
            if (onFork === "fresh") return 0;
            if (onFork === "copy") return parent;
            const target = (onFork as Record<string, string>)[names[parent as number]!];
            return target === undefined ? parent : names.indexOf(target);
          },
        );
        return {
          get: () => names[slot.get() as number],
          is: (...wanted: string[]) => wanted.includes(names[slot.get() as number]!),
          enter: (name: string) => slot.set(Math.max(slot.get() as number, names.indexOf(name))),
        };
      },
      table: (settings: TableSettings) => this.table(scope, settings),
      set: (settings: TableSettings) => {
        const table = this.table(scope, settings);
        return { has: table.has, add: (key: bigint) => table.set(key, 1n), delete: table.delete };
      },
      rate: (settings: { limit: bigint; per: string; burst?: bigint; onFork?: unknown }) => {
        const per = duration(settings.per);
        const burst = settings.burst ?? settings.limit;
        // Tokens as exact fractions: the numerator over `per`.
        const slot = plain(() => ({ tokens: burst * per, last: 0n }), settings);
        return {
          take: () => {
            const { tokens, last } = slot.get() as { tokens: bigint; last: bigint };
            const now = this.circumstances!.now;
            let filled = tokens + (now - last) * settings.limit;
            if (filled > burst * per) filled = burst * per;
            const taken = filled >= per;
            slot.set({ tokens: taken ? filled - per : filled, last: now });
            return taken;
          },
        };
      },
      flow: (graph: Record<string, string[]>, options?: Options) => {
        const slot = plain(() => "start", options);
        return {
          follow: (call: { name: string }) => {
            if (graph["anytime"]?.includes(call.name)) return true;
            if (!graph[slot.get() as string]?.includes(call.name)) return false;
            slot.set(call.name);
            return true;
          },
        };
      },
    };
  }

  private table(scope: Declared["scope"], { capacity, full, onFork }: TableSettings) {
    const slot = this.declare(
      scope,
      () => new Map<bigint, bigint>(),
      (parent) => (onFork === "fresh" ? new Map() : new Map(parent as Map<bigint, bigint>)),
    );
    const map = () => slot.get() as Map<bigint, bigint>;
    return {
      has: (key: bigint) => map().has(key),
      get: (key: bigint, otherwise: bigint) => map().get(key) ?? otherwise,
      set: (key: bigint, value: bigint) => {
        if (map().has(key) || BigInt(map().size) < capacity) map().set(key, value);
        else this.raised.push(full);
      },
      delete: (key: bigint) => void map().delete(key),
    };
  }

  // ── The call ──────────────────────────────────────────────────────────────────────────────────────────────────────

  private call(event: SystemCallEvent): Call {
    const description = callByNumber(this.architecture, event.number)!;
    const { pid, tid, uid, gid } = this.circumstances!;
    return {
      name: description.name,
      number: BigInt(event.number >>> 0),
      architecture: this.architecture,
      instructionPointer: event.instructionPointer,
      caller: { pid: BigInt(pid), tid: BigInt(tid), uid: BigInt(uid), gid: BigInt(gid) },
      raw: Object.fromEntries(event.arguments.map((value, index) => [`arg${index}`, value])),
      args: Object.fromEntries(
        description.parameters.map((parameter, index) => [
          parameter.name,
          this.argument(event, description, parameter, index),
        ]),
      ),
    };
  }

  private argument(event: SystemCallEvent, call: CallDescription, parameter: CallParameter, index: number): unknown {
    const register = event.arguments[registerOf(call, index, this.architecture)]!;
    const { kind, width, signed } = parameter;
    const bits = kernelBits(call, parameter, event.arguments, this.architecture);
    const value = signed ? BigInt.asIntN(width, bits) : bits;
    if (kind.is === "integer") return value;
    if (kind.is === "pointer") return { isNull: register === 0n, address: register };
    const members = nameSet(kind.set)!.members;
    const meaning = (name: string) => {
      const member = members.find((one) => one.name === name)!;
      const whole = BigInt.asUintN(width, -1n);
      return { value: member.value[this.architecture]! & whole, mask: member.mask[this.architecture]! & whole };
    };
    const holds = (name: string) => (bits & meaning(name).mask) === meaning(name).value;
    if (kind.is === "choice") return { is: (...names: string[]) => names.some(holds), value };
    return {
      has: (...names: string[]) => names.every(holds),
      hasAny: (...names: string[]) => names.some(holds),
      hasOnly: (...names: string[]) => {
        const meanings = names.map(meaning);
        const allowed = meanings.reduce((all, one) => all | one.value, 0n);
        const fields = meanings.filter((one) => one.value !== one.mask && one.value !== 0n);
        const inField = (mask: bigint) =>
          (bits & mask) === 0n || meanings.some((one) => (one.value & mask) === (bits & mask) && one.value !== 0n);
        return (bits & ~allowed) === 0n && fields.every((field) => inField(field.mask));
      },
      bits: value,
    };
  }
}

interface Slot {
  readonly get: () => unknown;
  readonly set: (value: unknown) => void;
}

interface TableSettings {
  readonly capacity: bigint;
  readonly full: HostVerdict;
  readonly onFork?: unknown;
}

function expand(names: readonly string[]): Set<string> {
  return new Set(names.flatMap((name) => (name.startsWith("@") ? [...groups().get(name)!] : [name])));
}

function callSet(names: ReadonlySet<string>): unknown {
  return {
    has: (call: { name: string }) => names.has(call.name),
    without: (...taken: string[]) => {
      const out = expand(taken);
      return callSet(new Set([...names].filter((name) => !out.has(name))));
    },
  };
}

function duration(text: string): bigint {
  const [, count, unit] = /^(\d+)(ns|us|ms|s|min|h)$/.exec(text)!;
  const units: Record<string, bigint> = {
    ns: 1n,
    us: 1000n,
    ms: 10n ** 6n,
    s: 10n ** 9n,
    min: 6n * 10n ** 10n,
    h: 36n * 10n ** 11n,
  };
  return BigInt(count!) * units[unit!]!;
}
