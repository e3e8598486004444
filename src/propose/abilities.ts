/**
 * What a process can still do after its start, by the compiled policy: the answer to the first questions of a person who signs
 * it. Where a condition on memory or state decides, the process can.
 */
import type { Decision } from "../analysis/decision.ts";
import { answered } from "../analysis/explain/why.ts";
import { leavesOf } from "../analysis/explain/paths.ts";
import { splitPolicy } from "../analysis/split/split.ts";
import type { Program } from "../ir/program.ts";
import { mayPass } from "../ir/verdicts.ts";
import { callByName, registerOf } from "../linux/calls.ts";
import { nameSet } from "../linux/flags.ts";
import type { Permissions, State } from "./permissions.ts";
import type { Proposal } from "./proposal.ts";
import { executableMemory, sensitiveCalls } from "./sensitive.ts";

export interface Ability {
  readonly roles: readonly string[];
  /** The last phase of these roles; undefined if they have no phases. */
  readonly phase: State["phase"];
  /** Ends of a sentence: "execute programs". */
  readonly can: readonly string[];
  readonly cannot: readonly string[];
}

/** The abilities of each role in its last phase; equal roles are one. */
export function abilitiesOf(program: Program, proposal: Pick<Proposal, "permissions" | "variables">): Ability[] {
  const found = new Map<string, Ability & { roles: string[] }>();
  for (const state of lastStates(proposal.permissions)) {
    const judge = new Judge(program, cellsOf(program, proposal.variables, state));
    const [can, cannot]: [string[], string[]] = [[], []];
    for (const { text, isPossible } of questions) {
      const answer = isPossible(judge);
      if (answer === false) cannot.push(text);
      else can.push(typeof answer === "string" ? `${text} ${answer}` : text);
    }
    const key = JSON.stringify([state.phase, can]);
    const same = found.get(key);
    if (same === undefined) found.set(key, { roles: [state.role.name], phase: state.phase, can, cannot });
    else same.roles.push(state.role.name);
  }
  return [...found.values()];
}

function lastStates({ states }: Permissions): readonly State[] {
  return states.filter((state, index) => states[index + 1]?.role !== state.role);
}

function cellsOf(
  { cells }: Program,
  variables: Proposal["variables"],
  { role, phase }: State,
): ReadonlyMap<number, bigint> {
  const wanted = new Map([
    [variables.get(undefined), role.name],
    [variables.get(role), phase],
  ]);
  const known = new Map<number, bigint>();
  cells.forEach(({ name, kind }, index) => {
    const value = wanted.get(name);
    if (kind.is === "phases" && value !== undefined) known.set(index, BigInt(kind.names.indexOf(value)));
  });
  return known;
}

/** Judges calls with some known arguments in one state. */
class Judge {
  readonly #program: Program;
  readonly #cells: ReadonlyMap<number, bigint>;
  readonly #decisions = new Map<number, Decision | undefined>();

  constructor(program: Program, cells: ReadonlyMap<number, bigint>) {
    this.#program = program;
    this.#cells = cells;
  }

  get filesAreDeclared(): boolean {
    return this.#program.objects.some(({ files }) => files !== undefined);
  }

  get tcpIsDeclared(): boolean {
    return this.#program.objects.some(({ tcp }) => tcp !== undefined);
  }

  /** Whether some call of these may pass with this value of the argument, as far as its bits are known. */
  may(calls: readonly string[], parameter?: string, value = 0n): boolean {
    return calls.some((name) => {
      const call = callByName(name)!;
      const decision = this.#decisionOf(call.number[this.#program.architecture]);
      if (decision === undefined) return false;
      const registers: (bigint | undefined)[] = [];
      if (parameter !== undefined) {
        const index = call.parameters.findIndex((one) => one.name === parameter);
        if (index >= 0) registers[registerOf(call, index, this.#program.architecture)] = value;
      }
      const { verdicts } = this.#program;
      return leavesOf(answered(decision, registers)).some(({ possible }) =>
        possible.some((one) => mayPass(verdicts[one]!)),
      );
    });
  }

  #decisionOf(number: number | undefined): Decision | undefined {
    if (number === undefined) return undefined;
    if (this.#decisions.has(number)) return this.#decisions.get(number);
    const at = BigInt(number);
    const { admission } = this.#program;
    const isJudged = admission.judged.some(({ from, to }) => from <= at && at <= to);
    const asked = { ...this.#program, admission: { ...admission, judged: [{ from: at, to: at }] } };
    const options = { superviseProcessCreation: false, cells: this.#cells };
    const decision = isJudged ? splitPolicy(asked, options).get(number) : undefined;
    this.#decisions.set(number, decision);
    return decision;
  }
}

interface Question {
  /** The end of the sentence "the process can". */
  readonly text: string;
  /** A text is a restriction. */
  isPossible(judge: Judge): boolean | string;
}

const group = (name: string): readonly string[] => sensitiveCalls.find((one) => one.name === name)!.calls;

/** Flags of open(2) that a program has with those that write. */
const besides: readonly bigint[] = [0n, 0o100n, 0o1100n, 0o2100n, 0o1000n, 0o2000n, 0o300n];
const cloexec = 0o2000000n;
/** O_WRONLY or O_RDWR; O_CREAT makes a file as well. */
const writing = [0n, 1n, 2n].flatMap((mode) => besides.flatMap((more) => [mode | more, mode | more | cloexec]));

function mayWrite(judge: Judge): boolean {
  if (judge.may(["creat", "openat2", "truncate"])) return true;
  return writing
    .filter((flags) => (flags & 0o103n) !== 0n)
    .some((flags) => judge.may(["open", "openat"], "flags", flags));
}

const executable = [4n, 5n, 6n, 7n];
/** Flags of fork and of the C library's posix_spawn. */
const forks = [17n, 0x1200011n, 0x4111n];

const questions: readonly Question[] = [
  { text: "execute programs", isPossible: (judge) => judge.may(group("execute")) },
  {
    text: "start processes",
    isPossible: (judge) => judge.may(["fork", "vfork"]) || forks.some((flags) => judge.may(["clone"], "flags", flags)),
  },
  {
    text: "make executable memory",
    isPossible: (judge) => executable.some((protection) => judge.may(executableMemory, "prot", protection)),
  },
  { text: "open sockets", isPossible: (judge) => familiesOf(judge) },
  {
    text: "connect",
    isPossible: (judge) => judge.may(["connect"]) && (judge.tcpIsDeclared ? "to the ports of tcp.connect" : true),
  },
  { text: "listen", isPossible: (judge) => judge.may(["listen"]) && judge.may(["bind"]) },
  {
    text: "write files",
    isPossible: (judge) => mayWrite(judge) && (judge.filesAreDeclared ? "of files.write" : "wherever its user can"),
  },
  {
    text: "remove or rename files",
    isPossible: (judge) => judge.may(["unlink", "unlinkat", "rename", "renameat", "renameat2", "rmdir"]),
  },
  { text: "change its user or groups", isPossible: (judge) => judge.may(group("identity")) },
  { text: "trace or read other processes", isPossible: (judge) => judge.may(group("other processes")) },
  { text: "mount or enter namespaces", isPossible: (judge) => judge.may(group("mount")) },
  { text: "load code or keys into the kernel", isPossible: (judge) => judge.may(group("kernel")) },
];

function familiesOf(judge: Judge): boolean | string {
  if (!judge.may(["socket"])) return false;
  const families = nameSet("AddressFamily")!.members.filter(({ value }) =>
    judge.may(["socket"], "family", value.x86_64!),
  );
  return families.length > 6 || families.length === 0
    ? "of any family"
    : `(${families.map(({ name }) => name).join(", ")})`;
}

/** Lines for the head of the policy and for the user. */
export function describeAbilities(abilities: readonly Ability[]): readonly string[] {
  const lists = abilities.map(({ roles, phase, can }) => {
    const when = phase === undefined ? "" : `, once ${phase}`;
    const whose =
      roles.length === 1 && roles[0] === "main" && abilities.length === 1 ? "the program" : roles.join(", ");
    return `${whose}${when}: ${can.join("; ") || "none of these"}`;
  });
  const never = abilities[0]!.cannot.filter((text) => abilities.every(({ cannot }) => cannot.includes(text)));
  return [...lists, ...(never.length === 0 ? [] : [`none can ${never.join(", ")}`])];
}
