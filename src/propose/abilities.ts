/**
 * What a process can still do after its start, by the compiled policy: the answer to the first questions of a person who signs
 * it. Where a condition on memory or state decides, the process can.
 */

import { callByName, registerOf } from "../abi/calls.ts";
import { executableMemoryCalls } from "../abi/executable-memory.ts";
import { nameSet } from "../abi/flags.ts";
import { cloneFlag } from "../abi/process-calls.ts";
import { chanceOf, type KnownBits } from "../analysis/chance.ts";
import type { Decision } from "../analysis/decision.ts";
import { splitPolicy } from "../analysis/split/split.ts";
import type { Program } from "../ir/program.ts";
import type { Permissions, State } from "./permissions.ts";
import type { Proposal } from "./proposal.ts";
import { isSensitive, sensitiveCalls } from "./sensitive.ts";

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
    const judge = new Judge(
      program,
      cellsOf(program, proposal.variables, state),
      mayForkByClone3(proposal.permissions, state),
    );
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

/** The flags of clone3 are in memory, which a decision without a process does not have; the rule is the recorded one. */
function mayForkByClone3({ calls }: Permissions, state: State): boolean {
  const grants = calls.filter(({ call }) => call === "clone3").flatMap((use) => use.grants);
  return grants.some(({ signature, states }) => states.has(state) && isSensitive(signature));
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

  readonly #forksByClone3: boolean;

  constructor(program: Program, cells: ReadonlyMap<number, bigint>, forksByClone3: boolean) {
    this.#program = program;
    this.#cells = cells;
    this.#forksByClone3 = forksByClone3;
  }

  get mayForkByClone3(): boolean {
    return this.#forksByClone3 && this.may(["clone3"]);
  }

  get filesAreDeclared(): boolean {
    return this.#program.objects.some(({ files }) => files !== undefined);
  }

  get tcpIsDeclared(): boolean {
    return this.#program.objects.some(({ tcp }) => tcp !== undefined);
  }

  /** Whether some call of these may pass, with these bits of an argument. */
  may(calls: readonly string[], parameter?: string, bits: KnownBits = anyBits): boolean {
    return calls.some((name) => {
      const call = callByName(name)!;
      const decision = this.#decisionOf(call.number[this.#program.architecture]);
      const index = call.parameters.findIndex((one) => one.name === parameter);
      const register = index < 0 ? undefined : registerOf(call, index, this.#program.architecture);
      if (decision === undefined) return false;
      return chanceOf(this.#program, decision, { word: `argument${register}`, ...bits }) !== "never";
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

const anyBits: KnownBits = { mask: 0n, value: 0n };

interface Question {
  /** The end of the sentence "the process can". */
  readonly text: string;
  /** A text is a restriction. */
  isPossible(judge: Judge): boolean | string;
}

const group = (name: string): readonly string[] => sensitiveCalls.find((one) => one.name === name)!.calls;

/** The access modes O_WRONLY and O_RDWR; O_CREAT makes a file as well. */
const writing: readonly KnownBits[] = [
  { mask: 3n, value: 1n },
  { mask: 3n, value: 2n },
  { mask: 0o100n, value: 0o100n },
];
const noThread: KnownBits = { mask: cloneFlag.thread, value: 0n };

function mayWrite(judge: Judge): boolean {
  if (judge.may(["creat", "openat2", "truncate"])) return true;
  return writing.some((flags) => judge.may(["open", "openat"], "flags", flags));
}

const questions: readonly Question[] = [
  { text: "execute programs", isPossible: (judge) => judge.may(group("execute")) },
  {
    text: "start processes",
    isPossible: (judge) =>
      judge.may(["fork", "vfork"]) || judge.mayForkByClone3 || judge.may(["clone"], "flags", noThread),
  },
  {
    text: "make executable memory",
    isPossible: (judge) =>
      executableMemoryCalls.some(({ call, argument, ...bits }) => judge.may([call], argument, bits)),
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
    judge.may(["socket"], "family", { mask: 0xffff_ffffn, value: value.x86_64! }),
  );
  return families.length > 6 || families.length === 0
    ? "of any family"
    : `(${families.map(({ name }) => name).join(", ")})`;
}

/** Lines for the head of the policy and for the user. */
export function describeAbilities(abilities: readonly Ability[]): readonly string[] {
  const [first, ...others] = abilities;
  const all = first!.can.filter((text) => others.every(({ can }) => can.includes(text)));
  const never = first!.cannot.filter((text) => others.every(({ cannot }) => cannot.includes(text)));
  const none = all.length > 0 && others.length > 0 ? "nothing more" : "nothing of this list";
  const lists = abilities.flatMap(({ roles, phase, can }) => {
    const own = can.filter((text) => others.length === 0 || !all.includes(text));
    const whose = roles.length === 1 && roles[0] === "main" && others.length === 0 ? "the program" : roles.join(", ");
    return [`${whose}${phase === undefined ? "" : `, once ${phase}`}: ${own.join("; ") || none}`];
  });
  return [
    ...lists,
    ...(others.length === 0 || all.length === 0 ? [] : [`each: ${all.join("; ")}`]),
    ...(never.length === 0 ? [] : [`not: ${never.join("; ")}`]),
  ];
}
