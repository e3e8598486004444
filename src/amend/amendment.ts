/**
 * Changes a policy's text so that it allows the calls of some groups. No edit is trusted: the new text is compiled, and the
 * calls are judged under it.
 */

import { isDeepStrictEqual } from "node:util";
import { errno } from "../abi/errno-numbers.ts";
import { fallbacks } from "../abi/fallbacks.ts";
import { isExecutingCall } from "../abi/process-calls.ts";
import { comparePolicies } from "../analysis/compare/compare.ts";
import { hotCalls } from "../analysis/explain/hot-calls.ts";
import { leavesOf } from "../analysis/explain/paths.ts";
import { splitPolicy } from "../analysis/split/split.ts";
import { jsonText } from "../diagnostics/width.ts";
import { printLocation } from "../events/describe.ts";
import { type Verdict, verdictText } from "../ir/verdicts.ts";
import { areAlternatives } from "../propose/alternatives.ts";
import { type Change, changed } from "./edits.ts";
import type { Group, Obstacle } from "./groups.ts";
import { furtherCalls, type Item, lackingItems, type Part, partsOf } from "./lists.ts";
import { entryOf, presentRuling, settingsOf } from "./objects.ts";
import { type Compiled, compile, type PolicySettings } from "./policy.ts";
import { type PhaseNames, type Refusal, rulingOn, withMemoryOf } from "./refusal.ts";
import { riskOf } from "./risk.ts";
import { conditionsFor, lackingArguments, type Scope } from "./rules.ts";
import {
  callListAt,
  type LiteralList,
  listAt,
  literalLists,
  offsetOf,
  parse,
  type Site,
  type Syntax,
  siteOf,
} from "./syntax.ts";

export interface Amended {
  readonly group: Group;
  readonly scope: Scope;
  readonly change: Change;
  /** What the user should know about the change. */
  readonly notes: readonly string[];
}

type Program = NonNullable<Compiled["program"]>;
type Usable = Compiled & { readonly program: Program };

export type Proposal = { readonly is: "change"; readonly amended: Amended } | ({ readonly is: "obstacle" } & Obstacle);

export class Amendment {
  readonly #settings: PolicySettings;
  readonly #before: Usable;
  readonly #syntax: Syntax;
  readonly #texts = new Map<string, Compiled>();
  readonly #lists: readonly LiteralList[];
  readonly #mattering = new Map<string, readonly string[]>();

  /** @param before the compiled text */
  constructor(settings: PolicySettings, text: string, before: Usable) {
    this.#settings = settings;
    this.#before = before;
    this.#syntax = parse(text);
    this.#lists = literalLists(this.#syntax);
  }

  /** The text with these changes. */
  textWith(accepted: readonly Amended[]): string {
    const text = changed(
      this.#syntax,
      accepted.map(({ change }) => change),
    );
    // `propose` has made each change, so the imports are there.
    return text ?? this.#syntax.text;
  }

  compiled(accepted: readonly Amended[]): Compiled {
    return this.#compile(this.textWith(accepted));
  }

  /** The accepted changes compile. */
  #programWith(accepted: readonly Amended[]): Program {
    return accepted.length === 0 ? this.#before.program : this.compiled(accepted).program!;
  }

  /** The smallest change that allows the calls of the group in this scope, beside the accepted ones. */
  propose(group: Group, scope: Scope, accepted: readonly Amended[] = []): Proposal {
    if (group.obstacle !== undefined) return { is: "obstacle", ...group.obstacle };
    if (group.variants[0]?.object !== undefined) return this.#proposeEntry(group, accepted);
    const { verdict } = group;
    if (verdict?.at === undefined) return obstacle("no line of the policy refused it");
    const { files } = this.#before.program;
    const place = printLocation(files, verdict.at);
    if (verdict.at.file !== 0) {
      const { wanted } = this.#guard(group);
      const own =
        scope === "general" ? this.#longerList(group, scope, accepted, { program: undefined, wanted }) : undefined;
      if (own !== undefined) return { is: "change", amended: own };
      const setting = this.#setting(group, passesAll(group));
      return obstacle(`${place} refuses it, in another file than the policy`, setting ?? byHand(place));
    }
    const site = siteOf(this.#syntax, offsetOf(this.#syntax.text, verdict.at));
    if (site === undefined) {
      return obstacle(
        `${place} is in a function that does not have the call`,
        `add a rule in ${files[0]} before the statement that calls the function`,
      );
    }
    const conditions = conditionsFor(group, scope, this.#before.program.architecture);
    if (conditions === undefined) {
      return obstacle(
        "the arguments are too many, or the event does not have them",
        "the answer `call` allows any arguments",
      );
    }
    return this.#proposeRule(group, scope, site, conditions, accepted);
  }

  #proposeRule(
    group: Group,
    scope: Scope,
    site: Site,
    conditions: readonly string[],
    accepted: readonly Amended[],
  ): Proposal {
    const listed = accepted.find(
      ({ change, group: { call } }) =>
        (change.is === "call" && change.call === group.call) || (change.is === "items" && isSameCall(group.call, call)),
    );
    const now = listed === undefined ? undefined : this.compiled(accepted).program;
    if (now !== undefined && group.variants.every((one) => rulingOn(now, one).is === "passes"))
      return { is: "change", amended: { group, scope, change: listed!.change, notes: notesOn(group, scope) } };
    const { tests, wanted, notes } = this.#guard(group);
    const all = [`call.name === ${jsonText(group.call)}`, ...tests, ...conditions];
    const change: Change = { is: "rule", site, conditions: all, comment: commentOn(group) };
    const text = changed(this.#syntax, [...accepted.map((one) => one.change), change]);
    if (text === undefined)
      return obstacle("the policy imports nothing from portcullis by name", 'import { allow } from "portcullis"');
    const { program, diagnostics } = this.#compile(text);
    if (program === undefined)
      return obstacle(`a rule would not compile: ${diagnostics[0]?.message}`, "change the policy");
    if (!group.variants.every((one) => rulingOn(program, one).is === "passes"))
      return obstacle("no rule at the line that refuses it allows the call", olderCall(group) ?? "change the policy");
    const offset = offsetOf(this.#syntax.text, group.verdict!.at!);
    const longer = all.length === 1 ? this.#longerCalls(group, offset, accepted, program) : undefined;
    if (longer !== undefined) {
      return { is: "change", amended: { group, scope, change: longer, notes: [...notes, ...notesOn(group, scope)] } };
    }
    const items = scope === "call" ? undefined : this.#longerList(group, scope, accepted, { program, wanted });
    if (items !== undefined) return { is: "change", amended: items };
    const warnings = diagnostics.map(({ message }) => message).filter((one) => !this.#isOld(one));
    const setting = scope === "call" ? undefined : this.#setting(group, passesAll(group));
    const without = setting === undefined ? [] : [`without a change of the policy: ${setting}`];
    return {
      is: "change",
      amended: { group, scope, change, notes: [...notes, ...notesOn(group, scope), ...warnings, ...without] },
    };
  }

  /** The name in the list of calls before the refusal, if that policy is the one with the rule in every call and state. */
  #longerCalls(group: Group, offset: number, accepted: readonly Amended[], program: Program): Change | undefined {
    const at = callListAt(this.#syntax, offset);
    if (at === undefined) return undefined;
    const change: Change = { is: "call", at, call: group.call };
    const text = changed(this.#syntax, [...accepted.map((one) => one.change), change]);
    const other = text === undefined ? undefined : this.#compile(text);
    if (other?.program === undefined || other.diagnostics.some(({ message }) => !this.#isOld(message)))
      return undefined;
    const { calls, state } = comparePolicies(program, other.program);
    return calls.length === 0 && state.length === 0 ? change : undefined;
  }

  // ── Lists ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * More items in a list of constants that decides about the calls. Other calls must keep their verdicts, and so must these in
   * phases where another line decides. A directory is no item of a list that permits what lies below. With the scope `arguments`
   * the policy must be the one with the rule.
   */
  #longerList(
    group: Group,
    scope: Scope,
    accepted: readonly Amended[],
    rule: { readonly program: Program | undefined; readonly wanted: Wanted },
  ): Amended | undefined {
    const before = this.#programWith(accepted);
    for (const { list, part, items } of this.#candidates(group)) {
      const change: Change = { is: "items", list: list.place, items: items.map(printItem), comment: commentOn(group) };
      const text = changed(this.#syntax, [...accepted.map((one) => one.change), change]);
      const { program, diagnostics } = text === undefined ? noProgram : this.#compile(text);
      if (program === undefined || !passesAll(group)(program)) continue;
      if (!isWithin(group, rule.wanted, before, program)) continue;
      if (!this.#isOfItems(group, part, before, program)) continue;
      const isExact = rule.program !== undefined && isSame(group, rule.program, program);
      if (scope === "arguments" && !isExact) continue;
      const warnings = diagnostics.map(({ message }) => message).filter((one) => !this.#isOld(one));
      const more = isExact
        ? []
        : [
            `\`${list.name}\` decides: what it permits for its other items, it permits for ${items.length > 1 ? "these" : "this one"}`,
          ];
      return { group, scope, change, notes: [...more, ...notesOn(group, "call"), ...warnings] };
    }
    return undefined;
  }

  /** Whether only calls with the items themselves pass in addition, as far as these are files. */
  #isOfItems(group: Group, part: Part, before: Program, after: Program): boolean {
    const isAdded = (one: Refusal) => rulingOn(after, one).is === "passes" && rulingOn(before, one).is !== "passes";
    return part.items.every(
      (item) =>
        typeof item === "bigint" ||
        group.variants.every((variant) => {
          const further = furtherCalls(variant, part, item);
          if (further === undefined) return true;
          return !isAdded(further.longer) && (!isAdded(further.below) || (item !== "/" && this.#settings.isFile(item)));
        }),
    );
  }

  /** Each list of the module with what the calls have in one part and the list lacks. */
  #candidates(
    group: Group,
  ): readonly { readonly list: LiteralList; readonly part: Part; readonly items: readonly Item[] }[] {
    if (this.#lists.length === 0) return [];
    const parts = partsOf(group);
    return this.#lists.flatMap((list) => {
      if (list.of === "parameter" && !this.#isWritten(list.name)) return [];
      return parts.flatMap((part) => {
        const items = lackingItems(list.items, part);
        return items === undefined ? [] : [{ list, part, items }];
      });
    });
  }

  /**
   * `--set NAME=…` that permits the calls: a longer value of a parameter whose list is not written in this module, or has been
   * replaced by `--set`. Names other calls that change by it.
   */
  #setting(
    group: Group,
    permits: (program: Program) => boolean,
    parts: readonly Part[] = partsOf(group),
  ): string | undefined {
    for (const { name, kind, value } of this.#before.parameters) {
      if (value === undefined || (kind !== "paths" && kind !== "texts") || this.#isWritten(name)) continue;
      const present = value === "" ? [] : value.split(",");
      for (const part of parts) {
        const items = lackingItems(present, part);
        if (items === undefined) continue;
        const longer = [...present, ...items].join(",");
        const { program } = this.#compile(this.#syntax.text, [name, longer]);
        if (program === undefined || !permits(program)) continue;
        if (!this.#isOfItems(group, part, this.#before.program, program)) continue;
        const others = otherCalls(group, this.#before.program, program);
        const also = others.length === 0 ? "" : `, which also changes ${others.join(", ")}`;
        return `--set ${quoted(`${name}=${longer}`)}${also}`;
      }
    }
    return undefined;
  }

  /** Whether the list of this parameter is the default that the module has. */
  #isWritten(parameter: string): boolean {
    if (this.#settings.parameters.has(parameter)) return false;
    return this.#lists.some(({ of, name }) => of === "parameter" && name === parameter);
  }

  #isOld(message: string): boolean {
    return this.#before.diagnostics.some((one) => one.message === message);
  }

  #proposeEntry(group: Group, accepted: readonly Amended[]): Proposal {
    const [{ object, rule = "" } = { object: undefined }] = group.variants;
    const entry = object === undefined ? undefined : entryOf(object);
    const place = /:(\d+):(\d+)$/.exec(rule);
    if (entry === undefined || place === null) {
      return obstacle("no entry of a list can permit it", rule === "" ? undefined : byHand(rule));
    }
    if (object!.path === "/") return obstacle("an entry for / would permit all files", byHand(rule));
    const where = { line: Number(place[1]), column: Number(place[2]) };
    const isOwn = rule.slice(0, place.index).split("/").at(-1) === this.#before.program.files[0]?.split("/").at(-1);
    const list = isOwn ? listAt(this.#syntax, offsetOf(this.#syntax.text, where)) : undefined;
    const permits = (program: Program) => presentRuling(program, object!).is === "permitted";
    const parts: readonly Part[] = typeof object!.path === "string" ? [{ name: "path", items: [object!.path] }] : [];
    if (list === undefined) {
      const setting = this.#setting(group, permits, parts);
      return obstacle(`${rule} is no list that is written there`, setting ?? `add ${entry} to that list`);
    }
    const change: Change = { is: "entry", list, entry, comment: commentOn(group) };
    const amended: Amended = { group, scope: "arguments", change, notes: [] };
    const { program, diagnostics } = this.compiled([...accepted, amended]);
    if (program === undefined)
      return obstacle(`the list would not compile: ${diagnostics[0]?.message}`, `add ${entry}`);
    const before = this.#programWith(accepted);
    if (permits(before)) return obstacle("the list permits it now", "record the events again with this policy");
    const { calls, state } = comparePolicies(before, program);
    const changes = [...calls.flatMap((one) => one.calls), ...state.map(({ what }) => what)];
    const settings = settingsOf(before, object!);
    const others = changes.filter((what) => !settings.includes(what));
    if (changes.length > 0 && others.length === 0) return { is: "change", amended };
    // `--set` has replaced the list, or several settings share it.
    const why =
      changes.length === 0 ? "the list has another value (--set)" : `the list decides about ${others.join(", ")}, too`;
    return obstacle(why, this.#setting(group, permits, parts) ?? `add ${entry} to ${settings.join(" and ")}`);
  }

  #compile(text: string, setting?: readonly [name: string, value: string]): Compiled {
    const key = setting === undefined ? text : JSON.stringify([text, setting]);
    let known = this.#texts.get(key);
    if (known === undefined) {
      const { parameters } = this.#settings;
      known = compile(
        { ...this.#settings, parameters: setting === undefined ? parameters : new Map([...parameters, setting]) },
        text,
      );
      if (this.#texts.size > 64) this.#texts.clear();
      this.#texts.set(key, known);
    }
    return known;
  }

  // ── Phases ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Tests of the phases of the group, and the phases in which they hold. */
  #guard(group: Group): {
    readonly tests: readonly string[];
    readonly wanted: Wanted;
    readonly notes: readonly string[];
  } {
    const { phases } = group;
    const { program, promises } = this.#before;
    const notes: string[] = [];
    const inPhases = new Map<string, readonly string[]>();
    const tests = this.#matter(phases).flatMap((name) => {
      const cell = program.cells.findIndex((one) => one.name === name && one.kind.is === "phases");
      const { kind } = program.cells[cell]!;
      const names = kind.is === "phases" ? kind.names : [];
      const phase = phases[name]!;
      const isPromised = promises.some((promise) => promise.cell === cell);
      const wanted = isPromised ? names.slice(0, names.indexOf(phase) + 1) : [phase];
      if (wanted.length > 1) {
        notes.push(`also in ${wanted.slice(0, -1).join(", ")}, because \`${name}\` promises \`tightening\``);
      }
      if (wanted.length === names.length) return [];
      inPhases.set(name, wanted);
      return [`${name}.is(${wanted.map((one) => jsonText(one)).join(", ")})`];
    });
    if (tests.length === 0 || !hotCalls.has(group.call) || riskOf(group).isSensitive)
      return { tests, wanted: inPhases, notes };
    return {
      tests: [],
      wanted: new Map(),
      notes: ["in all phases, because the call is frequent: the kernel then decides it alone"],
    };
  }

  /** The sets of phases on which some verdict depends in these phases: others are of other roles. */
  #matter(phases: PhaseNames): readonly string[] {
    const key = JSON.stringify(phases);
    const known = this.#mattering.get(key);
    if (known !== undefined) return known;
    const { program } = this.#before;
    const cells = program.cells.flatMap(({ kind, name }, index) => {
      const phase = kind.is === "phases" ? phases[name] : undefined;
      return kind.is !== "phases" || phase === undefined ? [] : [{ index, name, value: kind.names.indexOf(phase) }];
    });
    const found = cells.filter(({ index }) => {
      const others = new Map(cells.filter((one) => one.index !== index).map((one) => [one.index, BigInt(one.value)]));
      const split = splitPolicy(program, { superviseProcessCreation: false, cells: others });
      return [...split.values()].some((decision) =>
        leavesOf(decision).some(
          ({ possible, stateful }) =>
            possible.length > 1 && stateful.some((one) => one.because === "reads-state" && one.cell === index),
        ),
      );
    });
    const names = found.map(({ name }) => name);
    this.#mattering.set(key, names);
    return names;
  }

  // ── Verification ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * What is wrong with the text that has these changes, as sentences: it must compile, allow the calls of its groups, refuse
   * the other calls as before, and differ in no other call and no other state.
   */
  verify(accepted: readonly Amended[], others: readonly Group[]): readonly string[] {
    const { program, diagnostics } = this.compiled(accepted);
    if (program === undefined) return [`the new text does not compile: ${diagnostics[0]?.message}`];
    const faults: string[] = [];
    const isObject = ({ variants }: Group) => variants[0]?.object !== undefined;
    for (const { group } of accepted) {
      if (isObject(group)) continue;
      if (!group.variants.every((one) => rulingOn(program, one).is === "passes"))
        faults.push(`${group.call} would still not be allowed`);
    }
    for (const group of others) {
      const { verdict, call } = group;
      if (verdict === undefined || isObject(group)) continue;
      // A rule can hold for calls of the same name in several groups.
      const mayPass = accepted.some((one) => mayAllow(one, call));
      const changes = group.variants.some((one) => {
        const ruling = rulingOn(program, one);
        if (ruling.is === "passes") return !mayPass;
        if (ruling.is === "open") return !ruling.verdicts.some((other) => isEqual(other, verdict));
        return ruling.is !== "refused" || !isEqual(ruling.verdict, verdict);
      });
      if (changes) faults.push(`${call} would get another verdict than before`);
    }
    return [...faults, ...this.#differences(accepted, program)];
  }

  #differences(accepted: readonly Amended[], program: Program): readonly string[] {
    const { calls, state } = comparePolicies(this.#before.program, program);
    const refusedOf = (call: string) => {
      const own = accepted.filter((one) => mayAllow(one, call));
      return own.length === 0
        ? undefined
        : own.flatMap(({ group: { verdict } }) => (verdict === undefined ? [] : [verdictText(verdict)]));
    };
    const wrong = calls.flatMap((difference) => {
      const other = difference.calls.find((name) => refusedOf(name) === undefined);
      if (other !== undefined) return [`${other} would get another verdict than before`];
      return difference.changes.flatMap(({ before, after, rooms }) => {
        const refused = new Set(difference.calls.flatMap((name) => refusedOf(name)!));
        const isFine =
          rooms === undefined &&
          before.every((one) => after.includes(one) || refused.has(one)) &&
          after.every((one) => before.includes(one) || one === "allow");
        return isFine ? [] : [`${difference.calls[0]} would be ${after.join(" or ")}, and not ${before.join(" or ")}`];
      });
    });
    const lists = accepted.flatMap(({ change, group }) => (change.is === "entry" ? [group] : []));
    const changes = state.filter(({ what }) => {
      if (lists.length > 0 && /^(?:files|tcp|udp|unix)\./.test(what)) return false;
      const call = /^memory of (\w+),/.exec(what)?.[1];
      return call === undefined || refusedOf(call) === undefined;
    });
    return [...wrong, ...changes.map(({ what }) => `${what} would change`)];
  }
}

/** Phases to which a change is restricted, by the set of phases. */
type Wanted = ReadonlyMap<string, readonly string[]>;

const noProgram = { program: undefined, diagnostics: [] } as const;

function isSameCall(one: string, other: string): boolean {
  return one === other || areAlternatives(one, other);
}

/** A list decides about a call and about those that programs make in its place. */
function mayAllow({ group, change }: Amended, call: string): boolean {
  return change.is === "items" ? isSameCall(group.call, call) : change.is !== "entry" && group.call === call;
}

function passesAll({ variants }: Group): (program: Program) => boolean {
  return (program) => variants.every((one) => rulingOn(program, one).is === "passes");
}

/** Whether the later policy only allows these calls, with any arguments but the compared memory. */
function isWithin(group: Group, wanted: Wanted, before: Program, after: Program): boolean {
  if (otherCalls(group, before, after).length > 0) return false;
  const refused = group.verdict === undefined ? undefined : verdictText(group.verdict);
  return group.variants.every(
    (one) =>
      isOfOneLine(group, one, wanted, before, after) &&
      comparePolicies(withMemoryOf(before, one), withMemoryOf(after, one)).calls.every(({ changes }) =>
        changes.every(
          ({ before: was, after: is, rooms }) =>
            rooms === undefined &&
            was.every((verdict) => is.includes(verdict) || verdict === refused) &&
            is.every((verdict) => was.includes(verdict) || verdict === "allow"),
        ),
      ),
  );
}

/** Whether in all phases that the call gets allowed in, the line has refused it that does so in the phase of the group. */
function isOfOneLine(
  { verdict }: Group,
  { phases = {}, ...call }: Refusal,
  wanted: Wanted,
  before: Program,
  after: Program,
): boolean {
  return [...wanted].every(([name, names]) => {
    const kind = before.cells.find((cell) => cell.name === name)?.kind;
    const others = kind?.is === "phases" ? kind.names.filter((phase) => !names.includes(phase)) : [];
    return others.every((phase) => {
      const there = { ...call, phases: { ...phases, [name]: phase } };
      const [was, is] = [rulingOn(before, there), rulingOn(after, there)];
      if (was.is !== "refused") return was.is === is.is;
      const isSameLine = isDeepStrictEqual(was.verdict.at, verdict?.at);
      return is.is === "passes" ? isSameLine : is.is === "refused" && isEqual(was.verdict, is.verdict);
    });
  });
}

/** Calls, other than those of the group, about which the policies differ; other differences by what they are. */
function otherCalls({ call }: Group, before: Program, after: Program): readonly string[] {
  const { calls, state } = comparePolicies(before, after);
  const changes = [
    ...calls.flatMap((one) => one.calls),
    ...state.map(({ what }) => /^memory of (\w+),/.exec(what)?.[1] ?? what),
  ];
  return [...new Set(changes)].filter((name) => !isSameCall(call, name));
}

/** Whether both policies give each call with the memory of these the same verdicts, and ask the same of memory. */
function isSame({ variants }: Group, one: Program, other: Program): boolean {
  const isEmpty = ({ calls, state }: ReturnType<typeof comparePolicies>) => calls.length === 0 && state.length === 0;
  return (
    isEmpty(comparePolicies(one, other)) &&
    variants.every(
      (variant: Refusal) =>
        comparePolicies(withMemoryOf(one, variant), withMemoryOf(other, variant)).calls.length === 0,
    )
  );
}

function printItem(item: Item): string {
  return typeof item === "bigint" ? `${item}n` : jsonText(item);
}

/** As a shell reads it. */
function quoted(text: string): string {
  return /^[\w.,:/=@%+-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function isEqual(one: Verdict, two: Verdict): boolean {
  return verdictText(one) === verdictText(two) && one.reason === two.reason;
}

function obstacle(why: string, help?: string): Proposal {
  return { is: "obstacle", why, ...(help === undefined ? {} : { help }) };
}

/** Of a call that C libraries try before an older one, and that is refused with an errno on which they do not fall back. */
function olderCall({ call, verdict }: Group): string | undefined {
  const older = (fallbacks as Readonly<Record<string, string>>)[call];
  if (older === undefined || verdict?.action !== "deny" || verdict.errno === errno.ENOSYS) return undefined;
  return `write \`if (call.name === "${call}") return deny("ENOSYS");\` there: programs then make ${older}, for which amend can write a rule`;
}

function byHand(place: string): string {
  return `change ${place}`;
}

/** Names of threads are the confined program's, so only plain ones come into the policy. */
function commentOn({ commands, count, last }: Group): string {
  const plain = commands.filter((name) => /^[\w.+-]{1,15}$/.test(name));
  const who = plain.length === 0 ? "" : ` of ${plain.join(", ")}`;
  const calls = `${count.toLocaleString("en-US")} refused call${count === 1 ? "" : "s"}`;
  const day = last === undefined || Number.isNaN(new Date(last * 1000).getTime()) ? "" : until(last);
  return `amend: ${calls}${who}${day}`;
}

function until(seconds: number): string {
  return `, until ${new Date(seconds * 1000).toISOString().slice(0, 10)}`;
}

function notesOn({ call, phases, signatures }: Group, scope: Scope): readonly string[] {
  const lacking = scope === "call" ? [] : lackingArguments(signatures);
  return [
    ...(lacking.length > 0 ? [`with any ${lacking.join(", ")}: the recording lacks them`] : []),
    ...(isExecutingCall(call) && Object.keys(phases).length > 0
      ? ["the new program keeps the phases of the process"]
      : []),
  ];
}
