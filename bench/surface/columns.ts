/**
 * Divides the calls of a server's recordings into phases. An event ends a phase, not a time: servers continue their
 * set-up after the first response.
 */
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { callByNumber } from "../../src/abi/calls.ts";
import { type CallEvent, isKnown, type Trace } from "../../src/traces/trace.ts";

/** The event by which a process begins to serve; the call itself belongs to serving. Its children inherit the phase. */
export interface Cut {
  /** `command`: the started process. `child`: a process that it forked and that has executed no program. */
  readonly role: "command" | "child";
  /** The first call of this name; without a name the first call of the role. */
  readonly call?: string;
  readonly why: string;
}

/**
 * `program`: the calls of programs that a child executes, for example a CGI program; they need a policy of their own.
 */
export const phases = ["init", "serving", "program"] as const;
export type Phase = (typeof phases)[number];

/** Uses by intruders that the name of a call does not show. */
const extras = ["mmap with PROT_EXEC", "mprotect with PROT_EXEC", "a new process"] as const;
type Extra = (typeof extras)[number];

/** The number of calls in a phase of the recordings, by name. */
export type Counts = ReadonlyMap<string, number>;

export interface PhaseCalls {
  readonly calls: Readonly<Record<Phase, Counts>>;
  readonly extras: Readonly<Record<Phase, ReadonlySet<Extra>>>;
  /** Shared objects that the server opened, without those of the programs that it executes. */
  readonly libraries: ReadonlySet<string>;
  /** The number of calls in all recordings. */
  readonly total: number;
  /** The number of recordings in which no process begins to serve. */
  readonly uncut: number;
}

export function callsByPhase(runs: readonly Trace[], cut: Cut): PhaseCalls {
  const calls = {
    init: new Map<string, number>(),
    serving: new Map<string, number>(),
    program: new Map<string, number>(),
  };
  const found = { init: new Set<Extra>(), serving: new Set<Extra>(), program: new Set<Extra>() };
  const libraries = new Set<string>();
  let [total, uncut] = [0, 0];
  for (const run of runs) {
    const tree = new Tree(run, cut);
    for (const event of run.events) {
      switch (event.kind) {
        case "call": {
          const name = nameOf(event, run.architecture);
          const phase = tree.call(event.tid, name);
          calls[phase].set(name, (calls[phase].get(name) ?? 0) + 1);
          total += 1;
          const library = phase === "program" ? undefined : libraryOf(event);
          if (library !== undefined) libraries.add(library);
          if (isExecutable(event, name))
            found[phase].add(name === "mmap" ? "mmap with PROT_EXEC" : "mprotect with PROT_EXEC");
          break;
        }
        case "fork":
        case "thread": {
          const phase = tree.birth(event.tid, event.child, event.kind === "fork");
          if (event.kind === "fork") found[phase].add("a new process");
          break;
        }
        case "exec":
          tree.execution(event.tid, event.former);
          break;
        case "exit":
          tree.exit(event.tid);
          break;
        case "return":
        case "clock":
          break;
        default:
          event satisfies never;
      }
    }
    if (!tree.isCut) uncut += 1;
  }
  return { calls, extras: found, libraries, total, uncut };
}

function libraryOf({ memory }: CallEvent): string | undefined {
  const path = memory.get("path");
  const text = path?.is === "text" ? Buffer.from(path.bytes).toString() : "";
  return /\.so(?:\.\d+)*$/.test(text) ? text : undefined;
}

interface Process {
  readonly role: Cut["role"] | "other";
  phase: Phase;
}

class Tree {
  isCut = false;
  readonly #cut: Cut;
  readonly #command: Process;
  readonly #tasks = new Map<number, Process>();

  constructor(run: Trace, cut: Cut) {
    this.#cut = cut;
    this.#command = { role: "command", phase: "init" };
    this.#tasks.set(run.command, this.#command);
  }

  #of(tid: number): Process {
    const known = this.#tasks.get(tid);
    if (known !== undefined) return known;
    const unknown: Process = { role: "other", phase: "init" };
    this.#tasks.set(tid, unknown);
    return unknown;
  }

  call(tid: number, name: string): Phase {
    const process = this.#of(tid);
    const { role, call } = this.#cut;
    if (process.phase === "init" && process.role === role && (call === undefined || call === name)) {
      process.phase = "serving";
      this.isCut = true;
    }
    return process.phase;
  }

  birth(tid: number, child: number, isProcess: boolean): Phase {
    const parent = this.#of(tid);
    const role = parent === this.#command ? "child" : "other";
    this.#tasks.set(child, isProcess ? { role, phase: parent.phase } : parent);
    return parent.phase;
  }

  /** The command may be a script that executes the server. */
  execution(tid: number, former: number | undefined): void {
    if (former !== undefined) this.#tasks.set(tid, this.#of(former));
    const process = this.#of(tid);
    if (process !== this.#command) this.#tasks.set(tid, { role: "other", phase: "program" });
  }

  exit(tid: number): void {
    this.#tasks.delete(tid);
  }
}

function nameOf({ number }: CallEvent, architecture: ArchitectureName): string {
  return callByNumber(architecture, number)?.name ?? `call ${number}`;
}

/** PROT_EXEC (include/uapi/asm-generic/mman-common.h). */
const executable = 4n;

function isExecutable({ arguments: words }: CallEvent, name: string): boolean {
  if (name !== "mmap" && name !== "mprotect" && name !== "pkey_mprotect") return false;
  const protection = words[2]!;
  return !isKnown(protection) || (protection.value & executable) !== 0n;
}

/** The columns of the paper's table. */
export interface Columns {
  readonly init: number;
  readonly serving: number;
  readonly common: number;
  readonly union: number;
  /** 1 − init/union, in per cent. */
  readonly reduction: number;
  /** 1 − serving/union, in per cent. */
  readonly servingReduction: number;
}

export function columnsOf({ calls }: Pick<PhaseCalls, "calls">): Columns {
  const [init, serving] = [calls.init.size, calls.serving.size];
  const common = [...calls.init.keys()].filter((name) => calls.serving.has(name)).length;
  const union = init + serving - common;
  const reduction = (part: number) => (union === 0 ? 0 : 100 * (1 - part / union));
  return { init, serving, common, union, reduction: reduction(init), servingReduction: reduction(serving) };
}
