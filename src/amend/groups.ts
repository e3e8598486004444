/** Groups refused calls: by call, phases, verdict, and the flags and commands that choose what the call does. */

import { auditArchitecture } from "../abi/architecture.ts";
import { callByName } from "../abi/calls.ts";
import { observationsOf } from "../analysis/explain/memory.ts";
import { printLocation } from "../events/describe.ts";
import type { ObjectJson } from "../events/event.ts";
import type { Program } from "../ir/program.ts";
import { mayPass, type Verdict, verdictText } from "../ir/verdicts.ts";
import { sha256 } from "../machine/sha256.ts";
import { aspectsOf, valueIn } from "../propose/aspects.ts";
import type { Signature } from "../propose/history.ts";
import { knownWord, unknownWord } from "../traces/trace.ts";
import { presentRuling } from "./objects.ts";
import { cellsOf, type PhaseNames, type Refusal, type Ruling, rulingOn, sameVerdict } from "./refusal.ts";

/** Why no change of the text allows the calls, as a sentence without a full stop, and what to do by hand. */
export interface Obstacle {
  readonly why: string;
  readonly help?: string;
}

export interface Group {
  /** Stable while the calls are the same: a list of them can be written down. */
  readonly id: string;
  readonly call: string;
  readonly phases: PhaseNames;
  /** The present verdict; undefined if the policy does not judge the call, or state decides. */
  readonly verdict: Verdict | undefined;
  /** The recorded text. */
  readonly recorded: string;
  readonly obstacle: Obstacle | undefined;
  /** One for each combination of the arguments that a rule can ask about, at most `mostVariants`. */
  readonly variants: readonly Refusal[];
  /** There are more than `mostVariants`. */
  readonly isOpen: boolean;
  readonly signatures: readonly Signature[];
  readonly commands: readonly string[];
  readonly count: number;
  readonly first: number | undefined;
  readonly last: number | undefined;
}

const mostVariants = 256;
const mostGroups = 2000;
/** Different texts of calls. */
const mostCalls = 100_000;
const mostCommands = 4;
/** Digests that are told apart. */
const mostTexts = 64;

const recordAgain = "record the events again with this policy";

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };
type Building = Omit<Mutable<Group>, "variants" | "signatures" | "commands"> & {
  readonly variants: Refusal[];
  readonly signatures: Signature[];
  readonly commands: string[];
};

interface Known {
  readonly group: Building | undefined;
  /** The index in `variants`. */
  readonly variant: number;
}

/** What rules can ask about. Undefined for a call that is not in the table. */
export function signatureOf(program: Program, refusal: CallOf): Signature | undefined {
  const { architecture } = program;
  const call = refusal.call === undefined ? undefined : callByName(refusal.call);
  if (call === undefined) return undefined;
  // A rule on memory that the policy does not read yet would make every such call slower.
  const read = new Set(
    observationsOf(program, refusal.number).map(({ observation }) => observation.name.split(".")[0]!),
  );
  const aspects = aspectsOf(call, "paths", architecture).filter(
    (aspect) =>
      (aspect.is !== "text" && aspect.is !== "address" && aspect.is !== "field") || read.has(aspect.parameter),
  );
  const event = {
    ...({ kind: "call", tid: 1, time: undefined, place: { line: 1, column: 1, length: 1 } } as const),
    ...{ number: refusal.number, architecture: auditArchitecture[architecture], arguments: refusal.registers },
    ...{ memory: refusal.memory, instructionPointer: knownWord(0n), result: unknownWord },
  };
  return {
    ...{ id: -1, call: call.name, aspects },
    values: aspects.map((aspect) => valueIn(call, aspect, event, architecture)),
  };
}

/** No rule of a policy can distinguish calls with the same key. */
export function signatureKey({ values }: Signature): string {
  return JSON.stringify(values.map((value) => `${typeof value} ${value}`));
}

type CallOf = Pick<Refusal, "call" | "number" | "registers" | "memory">;

export class Groups {
  /** Calls that the policy lets pass now. */
  passing = 0;
  /** Calls beyond the limits of this table. */
  beyond = 0;
  readonly #program: Program;
  readonly #digest: string | undefined;
  readonly #others = new Map<string, number>();
  readonly #groups = new Map<string, Building>();
  readonly #known = new Map<string, Known>();
  readonly #variants = new Map<string, number>();
  readonly #phases: ReadonlySet<string>;

  /** @param digest of the policy's text. Without it, all events are taken for events of this text */
  constructor(program: Program, digest?: string) {
    this.#program = program;
    this.#digest = digest;
    this.#phases = new Set(program.cells.flatMap(({ kind, name }) => (kind.is === "phases" ? [name] : [])));
  }

  get list(): readonly Group[] {
    return [...this.#groups.values()];
  }

  /** The refused calls of other texts of this policy, by the digests of these. */
  get otherTexts(): ReadonlyMap<string, number> {
    return this.#others;
  }

  add(refusal: Refusal): void {
    const { text, phases, verdict, reason, object } = refusal;
    const isOld = this.#isOfOtherText(refusal);
    if (isOld) this.#countOther(refusal);
    const key = JSON.stringify([text, phases, verdict, reason, object, isOld]);
    const known = this.#known.get(key) ?? this.#enter(refusal, isOld, key);
    if (known === undefined) this.beyond += refusal.count;
    else if (known.group === undefined) this.passing += refusal.count;
    else count(known.group, known.variant, refusal);
  }

  #isOfOtherText({ digest }: Refusal): boolean {
    return digest !== undefined && this.#digest !== undefined && digest !== this.#digest;
  }

  /** An agent's file has events of other policies, too. */
  #countOther({ digest, policy, count }: Refusal): void {
    if (policy !== undefined && policy !== this.#program.name) return;
    const known = this.#others.get(digest!);
    if (known !== undefined || this.#others.size < mostTexts) this.#others.set(digest!, (known ?? 0) + count);
  }

  #enter(given: Refusal, isOld: boolean, key: string): Known | undefined {
    if (this.#known.size >= mostCalls) return undefined;
    const { obstacle, verdict, passes, rule } = this.#assess(given, isOld);
    const refusal = rule === undefined ? given : { ...given, rule };
    if (passes) {
      const known = { group: undefined, variant: -1 };
      this.#known.set(key, known);
      return known;
    }
    const signature = signatureOf(this.#program, refusal);
    const chosen = signature?.aspects.map(({ is }, index) =>
      is === "flags" || is === "choice" || is === "field" ? `${signature.values[index]}` : "",
    );
    const name = refusal.call ?? refusal.text;
    const { phases = {}, object } = refusal;
    const present = verdict === undefined ? "" : `${verdictText(verdict)} ${verdict.reason ?? ""}`;
    const identity = JSON.stringify([name, phases, refusal.verdict, present, chosen, object ?? null, obstacle?.why]);
    const group = this.#groups.get(identity) ?? this.#newGroup(identity, name, refusal, verdict, obstacle);
    if (group === undefined) return undefined;
    const variant = this.#variantOf(group, refusal, signature);
    const known = { group, variant };
    this.#known.set(key, known);
    return known;
  }

  /** Calls that differ only in what no rule asks about, such as descriptors and addresses, are one. */
  #variantOf(group: Building, refusal: Refusal, signature: Signature | undefined): number {
    const values = signature === undefined ? refusal.text : signatureKey(signature);
    const key = `${group.id} ${JSON.stringify([values, refusal.object])}`;
    const known = this.#variants.get(key);
    if (known !== undefined) return known;
    if (group.variants.length >= mostVariants) {
      group.isOpen = true;
      return -1;
    }
    group.variants.push({ ...refusal, count: 0 });
    if (signature !== undefined) group.signatures.push(signature);
    this.#variants.set(key, group.variants.length - 1);
    return group.variants.length - 1;
  }

  #newGroup(
    identity: string,
    call: string,
    { phases = {}, verdict: recorded }: Refusal,
    verdict: Verdict | undefined,
    obstacle: Obstacle | undefined,
  ): Building | undefined {
    if (this.#groups.size >= mostGroups) return undefined;
    const group: Building = {
      ...{ id: sha256(identity).toString("hex").slice(0, 8), call, phases, verdict, recorded, obstacle, variants: [] },
      ...{ isOpen: false, signatures: [], commands: [], count: 0, first: undefined, last: undefined },
    };
    this.#groups.set(identity, group);
    return group;
  }

  /**
   * @param isOld the event is of another text: its call is judged, and its line says nothing
   * @returns `rule`: the line in this text, in place of the event's
   */
  #assess(refusal: Refusal, isOld: boolean): { obstacle?: Obstacle; verdict?: Verdict; passes?: true; rule?: string } {
    const stale = this.#stale(refusal);
    if (stale !== undefined) return { obstacle: stale };
    if (refusal.object !== undefined) return isOld ? this.#assessOldObject(refusal.object) : {};
    const ruling = rulingOn(this.#program, refusal);
    const wrong = obstacleOf(ruling, refusal, this.#lacksPhases(refusal));
    if (ruling.is === "passes") return wrong === undefined ? { passes: true } : { obstacle: wrong };
    const flagged =
      ruling.is === "open" && !this.#lacksPhases(refusal) ? this.#refusedByFlags(ruling, refusal) : undefined;
    if (flagged !== undefined && isOld)
      return {
        obstacle: { why: "flags decide, and the event is of another version of the policy", help: recordAgain },
      };
    if (flagged !== undefined) return { verdict: flagged };
    return {
      ...(wrong === undefined ? {} : { obstacle: wrong }),
      ...(ruling.is === "refused" ? { verdict: ruling.verdict } : {}),
    };
  }

  #assessOldObject(object: ObjectJson): { obstacle?: Obstacle; passes?: true; rule?: string } {
    const found = presentRuling(this.#program, object);
    if (found.is === "permitted") return { passes: true };
    if (found.is === "refused") return { rule: printLocation(this.#program.files, found.at) };
    const why = "several lists may refuse the object, and the event is of another version of the policy";
    return { obstacle: { why, help: recordAgain } };
  }

  /** Events do not have flags. The line shows that they were so, and a rule there is not asked in other states. */
  #refusedByFlags({ verdicts, byFlags }: Ruling & { readonly is: "open" }, refusal: Refusal): Verdict | undefined {
    const refusing = verdicts.filter((verdict) => !mayPass(verdict));
    const [verdict] = refusing;
    if (!byFlags || refusing.length !== 1 || verdict?.at === undefined || refusal.rule === undefined) return undefined;
    const place = printLocation(this.#program.files, verdict.at);
    return nameOf(place) === nameOf(refusal.rule) && sameVerdict(verdict, refusal) ? verdict : undefined;
  }

  #lacksPhases({ phases = {} }: Refusal): boolean {
    return [...this.#phases].some((name) => phases[name] === undefined);
  }

  /** The event belongs to another policy, or to another text of this one. */
  #stale({ rule, phases = {}, call }: Refusal): Obstacle | undefined {
    const help = recordAgain;
    const file = rule === undefined ? undefined : /^(.*):\d+:\d+$/.exec(rule)?.[1];
    if (file !== undefined && !this.#program.files.some((one) => nameOf(one) === nameOf(file))) {
      return { why: `${rule} refused it, which is no line of this policy`, help };
    }
    if (call !== undefined && cellsOf(this.#program, phases) === undefined) {
      return { why: "the policy does not have the phase of the event", help };
    }
    return undefined;
  }
}

/** Without folders: the same file has other names in other folders. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function obstacleOf(ruling: Ruling, refusal: Refusal, lacksPhases: boolean): Obstacle | undefined {
  const { verdict, rule, call, text } = refusal;
  const phases = "the event lacks the phase of its process";
  const record = { help: "record with the engine notify, whose events have phases" };
  switch (ruling.is) {
    case "passes":
      // portcullis's own refusals have no rule.
      return rule === undefined ? { why: refusal.reason ?? "no line of the policy refused it" } : undefined;
    case "not-judged":
      if (call?.startsWith("io_uring_") === true)
        return { why: "no filter sees the operations of io_uring", help: `name "${call}" literally in the policy` };
      return {
        why: text.includes("@") ? "policies judge native calls only" : "portcullis refuses it before the policy",
        help: text.includes("@") ? "run a 64-bit build of the program" : "programs fall back on ENOSYS",
      };
    case "object":
      return { why: "the policy's declarations about objects refuse it", help: "record events, which name the object" };
    case "open":
      if (lacksPhases) return { why: phases, ...record };
      return {
        why: "the verdict depends on state or memory that the event does not have",
        help: ruling.verdicts.some(mayPass) ? "change the limit, or the condition" : "change these lines",
      };
    case "refused":
      if (rule === undefined && refusal.time !== undefined)
        return { why: refusal.reason ?? "no line of the policy refused it" };
      if (sameVerdict(ruling.verdict, refusal)) return undefined;
      return {
        why: `the policy has changed: the call was ${reasoned(verdict, refusal.reason)}, and is now ${reasoned(verdictText(ruling.verdict), ruling.verdict.reason)}`,
        help: recordAgain,
      };
  }
}

function reasoned(verdict: string, reason: string | undefined): string {
  return reason === undefined ? verdict : `${verdict} (${reason})`;
}

function count(group: Building, variant: number, refusal: Refusal): void {
  group.count += refusal.count;
  const known = group.variants[variant];
  if (known !== undefined) group.variants[variant] = { ...known, count: known.count + refusal.count };
  const { time, command } = refusal;
  if (time !== undefined) {
    group.first = Math.min(group.first ?? time, time);
    group.last = Math.max(group.last ?? time, time);
  }
  if (command !== "" && !group.commands.includes(command) && group.commands.length < mostCommands)
    group.commands.push(command);
}
