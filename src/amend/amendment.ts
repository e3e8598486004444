/**
 * Changes a policy's text so that it allows the calls of some groups. No edit is trusted: the new text is compiled, and the
 * calls are judged under it.
 */

import { isExecutingCall } from "../abi/process-calls.ts";
import { comparePolicies } from "../analysis/compare/compare.ts";
import { hotCalls } from "../analysis/explain/hot-calls.ts";
import { leavesOf } from "../analysis/explain/paths.ts";
import { splitPolicy } from "../analysis/split/split.ts";
import { jsonText } from "../diagnostics/width.ts";
import { printLocation } from "../events/describe.ts";
import { type Verdict, verdictText } from "../ir/verdicts.ts";
import { type Change, changed } from "./edits.ts";
import type { Group, Obstacle } from "./groups.ts";
import { entryOf } from "./objects.ts";
import { type Compiled, compile, type PolicySettings } from "./policy.ts";
import { type PhaseNames, rulingOn } from "./refusal.ts";
import { riskOf } from "./risk.ts";
import { conditionsFor, lackingArguments, type Scope } from "./rules.ts";
import { callListAt, listAt, offsetOf, parse, type Site, type Syntax, siteOf } from "./syntax.ts";

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
  readonly #mattering = new Map<string, readonly string[]>();

  /** @param before the compiled text */
  constructor(settings: PolicySettings, text: string, before: Usable) {
    this.#settings = settings;
    this.#before = before;
    this.#syntax = parse(text);
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

  /** The smallest change that allows the calls of the group in this scope, beside the accepted ones. */
  propose(group: Group, scope: Scope, accepted: readonly Amended[] = []): Proposal {
    if (group.obstacle !== undefined) return { is: "obstacle", ...group.obstacle };
    if (group.variants[0]?.object !== undefined) return this.#proposeEntry(group, accepted);
    const { verdict } = group;
    if (verdict?.at === undefined) return obstacle("no line of the policy refused it");
    const { files } = this.#before.program;
    const place = printLocation(files, verdict.at);
    if (verdict.at.file !== 0) return obstacle(`${place} refuses it, in another file than the policy`, byHand(place));
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
    const listed = accepted.find(({ change }) => change.is === "call" && change.call === group.call);
    const now = listed === undefined ? undefined : this.compiled(accepted).program;
    if (now !== undefined && group.variants.every((one) => rulingOn(now, one).is === "passes"))
      return { is: "change", amended: { group, scope, change: listed!.change, notes: notesOn(group, scope) } };
    const { tests, notes } = this.#guard(group);
    const all = [`call.name === ${jsonText(group.call)}`, ...tests, ...conditions];
    const change: Change = { is: "rule", site, conditions: all, comment: commentOn(group) };
    const text = changed(this.#syntax, [...accepted.map((one) => one.change), change]);
    if (text === undefined)
      return obstacle("the policy imports nothing from portcullis by name", 'import { allow } from "portcullis"');
    const { program, diagnostics } = this.#compile(text);
    if (program === undefined)
      return obstacle(`a rule would not compile: ${diagnostics[0]?.message}`, "change the policy by hand");
    if (!group.variants.every((one) => rulingOn(program, one).is === "passes"))
      return obstacle("no rule at the line that refuses it allows the call", "change the policy by hand");
    const offset = offsetOf(this.#syntax.text, group.verdict!.at!);
    const longer = all.length === 1 ? this.#longerList(group, offset, accepted, program) : undefined;
    if (longer !== undefined) {
      return { is: "change", amended: { group, scope, change: longer, notes: [...notes, ...notesOn(group, scope)] } };
    }
    const warnings = diagnostics.map(({ message }) => message).filter((one) => !this.#isOld(one));
    return {
      is: "change",
      amended: { group, scope, change, notes: [...notes, ...notesOn(group, scope), ...warnings] },
    };
  }

  /** The name in the list of calls before the refusal, if that policy is the one with the rule in every call and state. */
  #longerList(group: Group, offset: number, accepted: readonly Amended[], program: Program): Change | undefined {
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
    const where = { line: Number(place[1]), column: Number(place[2]) };
    const isOwn = rule.slice(0, place.index).split("/").at(-1) === this.#before.program.files[0]?.split("/").at(-1);
    const list = isOwn ? listAt(this.#syntax, offsetOf(this.#syntax.text, where)) : undefined;
    if (list === undefined) {
      return obstacle(`${rule} is no list that is written there`, `add ${entry} to that list by hand`);
    }
    const change: Change = { is: "entry", list, entry, comment: commentOn(group) };
    const amended: Amended = { group, scope: "arguments", change, notes: [] };
    const { program, diagnostics } = this.compiled([...accepted, amended]);
    if (program !== undefined) return { is: "change", amended };
    return obstacle(`the list would not compile: ${diagnostics[0]?.message}`, `add ${entry} by hand`);
  }

  #compile(text: string): Compiled {
    let known = this.#texts.get(text);
    if (known === undefined) {
      known = compile(this.#settings, text);
      if (this.#texts.size > 64) this.#texts.clear();
      this.#texts.set(text, known);
    }
    return known;
  }

  // ── Phases ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Tests of the phases of the group. */
  #guard(group: Group): { readonly tests: readonly string[]; readonly notes: readonly string[] } {
    const { phases } = group;
    const { program, promises } = this.#before;
    const notes: string[] = [];
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
      return [`${name}.is(${wanted.map((one) => jsonText(one)).join(", ")})`];
    });
    if (tests.length === 0 || !hotCalls.has(group.call) || riskOf(group).isSensitive) return { tests, notes };
    return { tests: [], notes: ["in all phases, because the call is frequent: the kernel then decides it alone"] };
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
      const mayPass = accepted.some((one) => one.group.call === call && one.change.is !== "entry");
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
    const byCall = new Map<string, Set<string>>();
    for (const { group } of accepted) {
      const verdicts = byCall.get(group.call) ?? new Set();
      byCall.set(group.call, verdicts);
      if (group.verdict !== undefined) verdicts.add(verdictText(group.verdict));
    }
    const wrong = calls.flatMap((difference) => {
      const other = difference.calls.find((name) => !byCall.has(name));
      if (other !== undefined) return [`${other} would get another verdict than before`];
      return difference.changes.flatMap(({ before, after, rooms }) => {
        const refused = new Set(difference.calls.flatMap((name) => [...byCall.get(name)!]));
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
      return call === undefined || !byCall.has(call);
    });
    return [...wrong, ...changes.map(({ what }) => `${what} would change`)];
  }
}

function isEqual(one: Verdict, two: Verdict): boolean {
  return verdictText(one) === verdictText(two) && one.reason === two.reason;
}

function obstacle(why: string, help?: string): Proposal {
  return { is: "obstacle", why, ...(help === undefined ? {} : { help }) };
}

function byHand(place: string): string {
  return `change ${place} by hand`;
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
