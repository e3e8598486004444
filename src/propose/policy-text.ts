/**
 * Prints a proposal as a policy: a TypeScript module that a person signs. It groups the rules by role and phase; counts are
 * figures of the report.
 */

import type { ArchitectureName } from "../abi/architecture.ts";
import { fallbacks } from "../abi/fallbacks.ts";
import { isExecutingCall } from "../abi/process-calls.ts";
import { jsonText } from "../diagnostics/width.ts";
import type { AddressCase } from "./addresses.ts";
import { areAlternatives } from "./alternatives.ts";
import { aboutOf, type Block, distributed, type Entry, linesOfCalls, reasonsOf, unseenBecause } from "./blocks.ts";
import type { History } from "./history.ts";
import {
  block,
  chunked,
  comment,
  compareImports,
  conditional,
  conditionLines,
  identifier,
  list,
  memberName,
  nested,
  paragraphs,
  remarked,
  spaced,
  width,
} from "./layout.ts";
import { areOfCall, listIn, partIn, stemOf, withName, withShortArguments } from "./named-lists.ts";
import type { CallUse, Permissions, PhaseTrigger, State } from "./permissions.ts";
import { comparableLists, lastNames, shortName } from "./programs.ts";
import type { Execution, Role, RoleBranch, Roles } from "./roles.ts";
import { type ArgumentRules, conditionsOn, type Rule } from "./rules.ts";
import { isSensitive } from "./sensitive.ts";
import { describeEvent } from "./triggers.ts";
import { type Variant, variantsOf } from "./variants.ts";

export interface PolicyText {
  readonly text: string;
  /** Arguments without a rule, by call: a statement for the user. */
  readonly open: ReadonlyMap<string, ArgumentRules["open"]>;
  /** The names of the sets of phases, by the role whose phases they are; undefined is the set of roles. */
  readonly variables: ReadonlyMap<Role | undefined, string>;
}

interface Sources {
  readonly history: History;
  readonly roles: Roles;
  readonly permissions: Permissions;
  /** Directories whose programs do not exist, unless a rule allows them: by the call that executes. */
  readonly searched: ReadonlyMap<string, ReadonlySet<string>>;
  /** Paragraphs for the head of the module. */
  readonly about: readonly string[];
  /** The lines of constants that are settings of the policy, by name. */
  readonly settings: ReadonlyMap<string, readonly string[]>;
}

const longestDisjunction = 90;

export function printPolicy(sources: Sources): PolicyText {
  return new Printer(sources).print();
}

class Printer {
  readonly #sources: Sources;
  readonly #architecture: ArchitectureName;
  /** Imports of the module, apart from types. */
  readonly #imports = new Set<string>(["policy", "allow", "deny"]);
  readonly #types = new Set<string>();
  /** Declarations before the policy, by their names. */
  readonly #constants: string[] = [];
  readonly #names = new Set<string>([
    ...[
      "allow",
      "args",
      "call",
      "calls",
      "cidr",
      "deny",
      "judge",
      "name",
      "perProcess",
      "phase",
      "policy",
      "role",
      "to",
    ],
    "verdict",
  ]);
  /** Functions, by their texts without the name. */
  readonly #functions = new Map<string, string>();
  /** The roles and phases of the rules that are printed: a part of a second name. */
  #owner = "";
  readonly #open = new Map<string, ArgumentRules["open"]>();
  readonly #phaseOf = new Map<Role, string>();
  /** Blocks are printed for their length only. */
  #isTrial = false;
  /** Whether the judgement has names for the call's name and arguments. */
  #hasShortNames = false;
  /** The names of long lists, by their values. */
  readonly #lists = new Map<string, string>();
  /** Functions that tell whether a call passes that changes roles, by the call. */
  readonly #gates = new Map<string, string>();

  constructor(sources: Sources) {
    this.#sources = sources;
    for (const name of sources.settings.keys()) this.#names.add(name);
    this.#architecture = sources.history.architecture;
  }

  print(): PolicyText {
    const state = this.#state();
    const judge = this.#judge();
    const step = this.#step();
    const { about } = this.#sources;
    const head = [
      "/**",
      ...about.flatMap((text, index) => [...(index === 0 ? [] : [" *"]), ...comment(1, "*", text)]),
      " */",
    ];
    const imported = [...this.#imports].map((name) => ({ name, text: name }));
    for (const name of this.#types) imported.push({ name, text: `type ${name}` });
    imported.sort((a, b) => compareImports(a.name, b.name));
    const importLines = list(
      0,
      "import ",
      imported.map(({ text }) => text),
      ' from "portcullis";',
      ["{ ", " }"],
    );
    const settings = [...this.#sources.settings.values()].flatMap((setting) => [...setting, ""]);
    const sections = [
      [...head, ...importLines],
      settings.slice(0, -1),
      spaced([...state, ...this.#constants]),
      judge,
      step,
    ];
    const lines = sections.filter(({ length }) => length > 0).map((section) => section.join("\n"));
    const variables = new Map<Role | undefined, string>(this.#phaseOf);
    if (this.#sources.roles.list.length > 1) variables.set(undefined, "role");
    return { text: `${lines.join("\n\n")}\n`, open: this.#open, variables };
  }

  get #isStateful(): boolean {
    return this.#sources.permissions.states.length > 1;
  }

  // ── State ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #state(): string[] {
    const { roles, permissions } = this.#sources;
    const lines: string[] = [];
    const hasRoles = roles.list.length > 1;
    if (hasRoles) {
      this.#imports.add("perProcess");
      const names = roles.list.map(({ name }) => jsonText(name));
      const children = [...roles.children].map(([from, to]) => `${memberName(from.name)}: ${jsonText(to.name)}`);
      if (children.length === 0) {
        lines.push(...list(0, "const role = perProcess.phases(", names, ");", ["[", "]"]));
      } else {
        const flat = `const role = perProcess.phases([${names.join(", ")}], { onFork: { ${children.join(", ")} } });`;
        const head = `const role = perProcess.phases([${names.join(", ")}], {`;
        if (flat.length <= width) lines.push(flat);
        else if (head.length <= width) lines.push(head, ...list(2, "onFork: ", children, ",", ["{ ", " }"]), "});");
        else {
          lines.push("const role = perProcess.phases(");
          lines.push(...list(2, "", names, ",", ["[", "]"]));
          lines.push("  {", ...list(4, "onFork: ", children, ",", ["{ ", " }"]), "  },");
          lines.push(");");
        }
      }
    }
    for (const [role, triggers] of permissions.triggers) {
      this.#imports.add("perProcess");
      const phases = permissions.states.filter((state) => state.role === role).map(({ phase }) => `"${phase}"`);
      const name = this.#name(hasRoles ? `${shortName(role.name)} phase` : "phase", !hasRoles);
      this.#phaseOf.set(role, name);
      const isTightening = this.#isTightening(role);
      const options = isTightening ? ", { tightening: true }" : "";
      const events = triggers.map(({ phase: next, trigger }) => `${next} from its ${describeEvent(trigger)} on`);
      const declaration = `const ${name} = perProcess.phases([${phases.join(", ")}]${options});`;
      const about = events.join(", ");
      const short = about.replace(/^running /, "");
      const shortest = short.replace(/^from its (first .*) on$/, "from $1");
      const fits = [about, ...(triggers.length === 1 ? [short, shortest] : [])].find(
        (text) => `${declaration} // ${text}`.length <= width,
      );
      lines.push(...remarked(declaration, fits ?? about, `${hasRoles ? role.name : "The program"}: `));
      for (const { phase, trigger } of triggers) {
        if (trigger.predicate.nth > 1) lines.push(`const ${this.#counterOf(role, phase)} = perProcess.counter();`);
      }
    }
    return lines;
  }

  /** The front end proves this: no call is allowed in the later phase of a role only. */
  #isTightening(role: Role): boolean {
    const { permissions } = this.#sources;
    const own = permissions.states.filter((state) => state.role === role);
    const grants = permissions.calls.flatMap((use) => use.grants);
    return grants.every(({ states }) =>
      own.every((state, index) => index === 0 || !states.has(state) || states.has(own[index - 1]!)),
    );
  }

  #counterOf(role: Role, phase: PhaseTrigger["phase"]): string {
    return `${identifier(`${this.#phaseOf.get(role)!} ${phase}`)}Counter`;
  }

  /** The test whether the process is in one of these states; undefined for any state. */
  #stateTest(states: ReadonlySet<State>): string | undefined {
    const { permissions, roles } = this.#sources;
    if (states.size === permissions.states.length) return undefined;
    const whole: Role[] = [];
    const parts: string[] = [];
    for (const role of roles.list) {
      const own = permissions.states.filter((state) => state.role === role);
      const inside = own.filter((state) => states.has(state));
      if (inside.length === own.length) whole.push(role);
      else if (inside.length > 0) {
        const test = `${this.#phaseOf.get(role)}.is(${inside.map(({ phase }) => `"${phase}"`).join(", ")})`;
        parts.push(roles.list.length === 1 ? test : `role.is(${jsonText(role.name)}) && ${test}`);
      }
    }
    if (whole.length > 0) parts.unshift(`role.is(${whole.map(({ name }) => jsonText(name)).join(", ")})`);
    if (parts.length === 1) return parts[0]!;
    return parts.map((part) => (part.includes(" && ") ? `(${part})` : part)).join(" || ");
  }

  /** Both phases of a role together are the role. */
  #parts(states: ReadonlySet<State>): { role: Role; phase: State["phase"] }[] {
    return this.#sources.roles.list.flatMap((role): { role: Role; phase: State["phase"] }[] => {
      const own = this.#sources.permissions.states.filter((state) => state.role === role);
      const inside = own.filter((state) => states.has(state));
      return inside.length === own.length && inside.length > 0 ? [{ role, phase: undefined }] : inside;
    });
  }

  /** A name that the module does not have: of its own, else with the roles and phases, else with a number. */
  #name(text: string, isFixed = false): string {
    if (isFixed) {
      this.#names.add(identifier(text));
      return identifier(text);
    }
    const stems = [identifier(text), ...(this.#owner === "" ? [] : [identifier(`${this.#owner} ${text}`)])];
    let name = stems.find((stem) => !this.#names.has(stem));
    for (let number = 2; name === undefined; number++) {
      const numbered = `${stems.at(-1)!}${number}`;
      if (!this.#names.has(numbered)) name = numbered;
    }
    this.#names.add(name);
    return name;
  }

  /** The roles of few parts, for names. */
  #ownerOf(states: ReadonlySet<State>): string {
    const parts = this.#parts(states);
    if (parts.length > 2) return "";
    return parts.map(({ role, phase }) => `${shortName(role.name)} ${phase ?? ""}`.trim()).join(" or ");
  }

  // ── Verdicts ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #judge(): string[] {
    this.#types.add("Call").add("Verdict");
    const { permissions, roles } = this.#sources;
    const entries: Entry[] = [];
    const gated: string[] = [];
    const missing: string[] = [];
    const recorded = new Set(permissions.calls.map(({ call }) => call));
    const hasRuleOnClone = permissions.calls
      .filter(({ call }) => call === "clone")
      .flatMap((use) => variantsOf(use, permissions.states, this.#architecture))
      .some(({ rules }) => rules.length > 0);
    for (const use of permissions.calls) {
      const { call, because } = use;
      const variants = variantsOf(use, permissions.states, this.#architecture);
      const open = variants.find((variant) => variant.open.length > 0)?.open;
      if (open !== undefined) this.#open.set(call, open);
      // A policy with state, or with a rule on clone's flags, must know whether it makes a thread; and a supervisor would judge
      // frequent ones by their memory.
      const isUnknown = (this.#isStateful || hasRuleOnClone) && variants.some(({ rules }) => rules.length === 0);
      if (call === "clone3" && (makesFrequentThreads(use) || isUnknown)) {
        missing.push(call);
        continue;
      }
      if (this.#changesRole(call) && variants.every((variant) => this.#isBounded(variant))) {
        gated.push(...this.#gate(call, variants));
        continue;
      }
      for (const { states, rules } of variants) {
        this.#owner = this.#ownerOf(states);
        const conditions = rules.flatMap((rule) => this.#conditions(call, rule));
        const same = entries.find(
          (one) =>
            one.conditions.length > 0 &&
            one.conditions.join() === conditions.join() &&
            areSame(one.states, states) &&
            one.calls.every((other) => areAlternatives(other, call)),
        );
        if (same === undefined) entries.push({ calls: [call], states, conditions, unseen: unseenBecause(because) });
        else same.calls.push(call);
      }
    }
    // If only the older call was recorded, the newer one fails with ENOSYS. So does clone3 in any case: if neither was recorded,
    // a refusal of clone shows the flags, without which `amend` could not allow it.
    for (const [call, older] of Object.entries(fallbacks))
      if (!recorded.has(call) && (recorded.has(older) || call === "clone3")) missing.push(call);
    this.#hasShortNames = entries.some(({ conditions }) => conditions.length > 0 && !areOfCall(conditions));
    this.#isTrial = true;
    const blocks = distributed(entries, permissions.states, roles.list, (one) => this.#block(one).length);
    this.#isTrial = false;
    const body = paragraphs(
      blocks.map((one) => ({ about: aboutOf(one, permissions.states), lines: this.#block(one) })),
    );
    const older = this.#calls(2, missing, 'return deny("ENOSYS");');
    const about = "The C library then makes the older call.";
    const without = older.length === 1 ? remarked(older[0]!, about) : [`  // ${about}`, ...older];
    const refused = [...this.#vain(), ...(missing.length === 0 ? [] : without)];
    const parts = [body, gated, refused].filter(({ length }) => length > 0);
    const rest = parts.slice(1).flatMap((part) => ["", ...part]);
    return [
      "function judge(call: Call): Verdict {",
      ...(this.#hasShortNames ? ["  const { name, args } = call;"] : []),
      ...(parts[0] ?? []),
      ...rest,
      '  return deny("EPERM", "no recording has it");',
      "}",
    ];
  }

  /** Programs that were searched in vain. */
  #vain(): string[] {
    const rules = [...this.#sources.searched].flatMap(([call, directories]) => {
      const [name, args] = this.#hasShortNames ? ["name", "args"] : ["call.name", "call.args"];
      const values = [...directories].sort().map((one) => jsonText(one));
      const rule = { is: "test", subject: `${args}.path.text`, method: "under", values } as const;
      const test = this.#test(call, rule, 14);
      return conditional(2, [`${name} === "${call}"`, test], "&&", 'return deny("ENOENT");');
    });
    return rules.length === 0 ? [] : ["  // No recording found these programs: a search in PATH goes on.", ...rules];
  }

  /** The rules of these states: calls with any arguments, then rules on arguments. */
  #block({ states, entries }: Block): string[] {
    const test = this.#stateTest(states);
    const indent = test === undefined ? 2 : 4;
    const seen = this.#rules(
      indent,
      entries.filter((one) => one.unseen === undefined),
    );
    const unseen = this.#rules(
      indent,
      entries.filter((one) => one.unseen !== undefined),
    );
    const reasons = [...new Set(entries.flatMap(({ unseen: because }) => because ?? []))];
    const about = (blanks: number) => comment(blanks, "//", `Not recorded (${reasonsOf(reasons)}).`);
    const whose = test === undefined && this.#sources.roles.list.length > 1 ? ["  // Every process."] : [];
    if (unseen.length === 0) return [...whose, ...(test === undefined ? seen : block(2, test, seen))];
    if (seen.length === 0) return [...about(2), ...(test === undefined ? unseen : block(2, test, unseen))];
    const lines = [...seen, ...about(indent), ...unseen];
    return [...whose, ...(test === undefined ? lines : block(2, test, lines))];
  }

  #rules(indent: number, entries: readonly Entry[]): string[] {
    const free = entries.filter(({ conditions }) => conditions.length === 0).flatMap(({ calls }) => calls);
    const ruled = entries.filter(({ conditions }) => conditions.length > 0);
    ruled.sort((a, b) => (a.calls[0]! < b.calls[0]! ? -1 : a.calls[0]! > b.calls[0]! ? 1 : 0));
    return [...this.#calls(indent, free, "return allow;"), ...ruled.flatMap((one) => this.#rule(indent, one))];
  }

  #rule(indent: number, { calls, states, conditions }: Entry): string[] {
    const isShort = !areOfCall(conditions);
    const names = calls.map((one) => `${isShort ? "name" : "call.name"} === "${one}"`);
    const parts = isShort ? conditions.map(withShortArguments) : conditions;
    const print = (all: readonly string[]) =>
      nested(indent, [names.length === 1 ? names[0]! : `(${names.join(" || ")})`, ...all], "return allow;");
    const whole = print(parts);
    if (whole.length === 1) return whole;
    this.#owner = this.#ownerOf(states);
    return this.#withNamedList(calls[0]!, parts, whole, print);
  }

  /** The rule with a name for one of its lists, if that saves a line. */
  #withNamedList(
    call: string,
    parts: readonly string[],
    whole: readonly string[],
    print: (all: readonly string[]) => string[],
  ): string[] {
    for (const [index, part] of parts.entries()) {
      const list = listIn(part);
      if (list === undefined) continue;
      const stem = stemOf(call, list.parameter, list.values);
      const known = this.#lists.get(list.values.join());
      const isFree = !this.#names.has(identifier(stem));
      const named = (name: string) => print(parts.with(index, list.withName(name)));
      const short = named(known ?? identifier(isFree ? stem : `${this.#owner} ${stem}`));
      if (short.length + (known === undefined ? 1 : 0) >= whole.length) continue;
      return this.#isTrial ? short : named(this.#constant(stem, list.values));
    }
    return [...whole];
  }

  #calls(indent: number, names: readonly string[], statement: string): string[] {
    const name = this.#hasShortNames ? "name" : "call.name";
    if (names.length === 1) return conditional(indent, [`${name} === "${names[0]}"`], "&&", statement);
    if (names.length === 0) return [];
    this.#imports.add("calls");
    const room = width - indent - `if (calls().has(call)) ${statement}`.length;
    return linesOfCalls(names, this.#architecture, room).map((words) => {
      const isOne = !words.includes(",") && !words.includes("@");
      return `${" ".repeat(indent)}if (${isOne ? `${name} === ${words}` : `calls(${words}).has(call)`}) ${statement}`;
    });
  }

  #allowances(indent: number, call: string, variants: readonly Variant[], statement: string): string[] {
    return variants.flatMap(({ states, rules }) => {
      this.#owner = this.#ownerOf(states);
      const test = this.#stateTest(states);
      const conditions = rules.flatMap((rule) => this.#conditions(call, rule));
      if (test === undefined) return nested(indent, conditions, statement);
      if (conditions.length === 0) {
        const line = conditional(indent, [`(${test})`], "&&", statement);
        return line.length === 1 ? line : block(indent, test, [`${" ".repeat(indent + 2)}${statement}`]);
      }
      return block(indent, test, nested(indent + 2, conditions, statement));
    });
  }

  // ── Calls that change the role ────────────────────────────────────────────────────────────────────────────────────

  #changesRole(call: string): boolean {
    const { executions, branches } = this.#sources.roles;
    return (isExecutingCall(call) && executions.length > 0) || branches.some((branch) => branch.call === call);
  }

  #isBounded({ states, rules }: Variant): boolean {
    return rules.length > 0 || states.size < this.#sources.permissions.states.length;
  }

  /** Makes a function that tells whether the call passes: a refused one must not change the role. */
  #gate(call: string, variants: readonly Variant[]): string[] {
    const body = this.#allowances(2, call, variants, "return true;");
    this.#owner = "";
    const name = this.#name(`may ${call}`);
    this.#gates.set(call, name);
    this.#types.add("CallOf");
    this.#constants.push("", `function ${name}(call: CallOf<"${call}">): boolean {`, ...body, "  return false;", "}");
    return [`  if (call.name === "${call}" && ${name}(call)) return allow;`];
  }

  // ── Conditions ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The conjunction of conditions. */
  #conditions(call: string, rule: Rule): string[] {
    switch (rule.is) {
      case "comparison":
        return rule.text.split(" && ");
      case "test":
        return [`${rule.negated ? "!" : ""}${this.#test(call, rule, 10)}`];
      case "any":
        return [this.#anyFunction(call, rule.rules)];
      case "address":
        return [`${this.#addressFunction(call, rule.cases)}(${rule.subject})`];
    }
  }

  /** Makes a function of a long disjunction, because it is hard to read in a conjunction. */
  #anyFunction(call: string, rules: readonly Rule[]): string {
    const tests = rules.flatMap((rule) => this.#conditions(call, rule));
    const flat = `(${tests.join(" || ")})`;
    if (flat.length <= longestDisjunction) return flat;
    this.#types.add("CallOf");
    const body = [...conditionLines(2, "return ", tests.join(" || "), ";"), "}"];
    return `${this.#function(`is usual ${call}`, `call: CallOf<"${call}">`, body)}(call)`;
  }

  /** The name of a function; the same text is one function. */
  #function(text: string, parameter: string, body: readonly string[]): string {
    const key = [parameter, ...body].join("\n");
    let name = this.#functions.get(key);
    if (name === undefined) {
      name = this.#name(text);
      this.#functions.set(key, name);
      this.#constants.push("", `function ${name}(${parameter}): boolean {`, ...body);
    }
    return name;
  }

  /** Long lists get a name. */
  #test(call: string, { subject, method, values }: Rule & { is: "test" }, indent: number): string {
    const text = `${subject}.${method}(${values.join(", ")})`;
    if (indent + text.length + "if () return allow;".length <= width) return text;
    if (subject.startsWith("[")) {
      const name = this.#constant(`${call} values`, subject.slice(1, -1).split(", "));
      return `${name}.${method}(${values.join(", ")})`;
    }
    if (values.length === 1) return text;
    if (method === "is") {
      const part = partIn(values, []);
      const short = part === undefined ? values : withName(values, part.part, part.stem);
      const line = `    if (name === "${call}" && ${subject}.is(${short.join(", ")})) return allow;`;
      if (part !== undefined && line.length <= width) return `${subject}.is(${this.#withPart(values).join(", ")})`;
    }
    const parameter = subject.split(".").findLast((part) => !["text", "value", "bits"].includes(part))!;
    const stem = stemOf(call, parameter, values);
    const name = this.#constant(`${stem} ${method === "is" || method === "hasOnly" ? "" : method}`, values);
    return `${subject}.${method}(...${name})`;
  }

  #constant(text: string, values: readonly string[]): string {
    const key = values.join();
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const whole = this.#withPart(values);
    const name = this.#name(text);
    this.#lists.set(key, name);
    this.#constants.push(...chunked(`const ${name} = `, whole));
    return name;
  }

  /** The list with a name for a part of it that has a meaning or a name already, if the list is long. */
  #withPart(values: readonly string[]): readonly string[] {
    const found = partIn(
      values,
      [...this.#lists.keys()].map((key) => key.split(",")),
    );
    if (found === undefined) return values;
    return withName(values, found.part, this.#constant(found.stem, found.part));
  }

  #addressFunction(call: string, cases: readonly AddressCase[]): string {
    this.#types.add("SocketAddress");
    const lines = ["  switch (to.kind) {"];
    const plain = cases.filter(({ conditions }) => conditions.length === 0);
    for (const { kind, conditions } of cases) {
      if (conditions.length === 0) continue;
      lines.push(`    case "${kind}":`);
      for (const { any } of conditions) {
        const tests = any.map(({ subject, method, values }) => {
          if (method === ">=") return `${subject} < ${values[0]}`;
          if (subject.startsWith("cidr(")) {
            this.#imports.add("cidr");
            const text = this.#networks(call, subject.slice(5, -1).split(", "));
            return `!${text}.${method}(${values.join(", ")})`;
          }
          return `!${this.#test(`${call} ${kind}`, { is: "test", subject, method, values }, 20)}`;
        });
        lines.push(...conditional(6, tests, "&&", "return false;"));
      }
      lines.push("      return true;");
    }
    for (const { kind } of plain) lines.push(`    case "${kind}":`);
    if (plain.length > 0) lines.push("      return true;");
    lines.push("    default:", "      return false;", "  }", "}");
    return this.#function(`${call} reaches`, "to: SocketAddress", lines);
  }

  #networks(call: string, blocks: readonly string[]): string {
    const key = `cidr ${blocks.join()}`;
    let name = this.#lists.get(key);
    if (name === undefined) {
      name = this.#name(`${call} networks`);
      this.#lists.set(key, name);
      this.#constants.push(...list(0, `const ${name} = cidr`, blocks, ";", ["(", ")"]));
    }
    return name;
  }

  // ── The step ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #step(): string[] {
    const { roles, permissions } = this.#sources;
    this.#owner = "";
    // The last role first: a process enters one role at a time.
    const order = (role: Role) => roles.list.indexOf(role);
    const entries = [...roles.executions, ...roles.branches].sort((a, b) => order(b.from) - order(a.from));
    const executed = new Map(roles.executions.map((one) => [one, this.#pathsOf(one)] as const));
    const compared = comparableLists([...executed.values()].flatMap((paths) => [...paths.values()]));
    const steps = entries.flatMap((entry): RoleStep[] =>
      "call" in entry ? [{ ...entry, conditions: [] }] : this.#roleSteps(entry, executed.get(entry)!, compared),
    );
    const hoisted: string[] = [];
    const changes = [
      ...[...permissions.triggers].flatMap(([role, triggers]) =>
        triggers.flatMap((trigger) => this.#enterPhase(role, trigger)),
      ),
      ...[...new Set(steps.map(({ call }) => call))].flatMap((call) => {
        const own = steps.filter((step) => step.call === call);
        return this.#enterRoles(call, own, hoisted);
      }),
    ];
    const names = [...this.#sources.settings.keys()];
    const settings = names.length === 0 ? "" : `{ ${names.join(", ")} }, `;
    if (changes.length === 0) return [`export default policy(${settings}judge);`];
    return [
      `export default policy(${settings}(call) => {`,
      "  const verdict = judge(call);",
      ...hoisted,
      ...changes,
      "  return verdict;",
      "});",
    ];
  }

  #enterPhase(role: Role, { phase, trigger: { predicate, example } }: PhaseTrigger): string[] {
    const { call, argument, nth } = predicate;
    const name = this.#phaseOf.get(role)!;
    const conditions = [`call.name === "${call}"`];
    if (this.#sources.roles.list.length > 1) conditions.push(`role.is(${jsonText(role.name)})`);
    if (argument !== undefined) {
      const { index, value } = argument;
      const all = conditionsOn(call, example.aspects[index]!, example.values[index], value, this.#architecture);
      if (all.some((one) => one.startsWith("cidr("))) this.#imports.add("cidr");
      conditions.push(...all);
    }
    if (nth > 1) conditions.push(`${this.#counterOf(role, phase)}.add() === ${nth}n`);
    return conditional(2, conditions, "&&", `${name}.enter("${phase}");`);
  }

  /** By the call that executes them; empty if every program is one of the role. */
  #pathsOf({ from, programs }: Execution): ReadonlyMap<string, ReadonlySet<string>> {
    const { history } = this.#sources;
    const wanted = new Set(programs);
    const paths = new Map<string, Set<string>>();
    for (const segment of from.segments) {
      for (const id of segment.occurrences.keys()) {
        const { call, aspects, values } = history.signatures[id]!;
        if (!isExecutingCall(call) || history.vain.has(id)) continue;
        const list = paths.get(call) ?? new Set();
        paths.set(call, list);
        const path = values[aspects.findIndex(({ is }) => is === "text")];
        if (typeof path === "string" && wanted.has(path.slice(path.lastIndexOf("/") + 1))) list.add(path);
      }
    }
    return paths;
  }

  #roleSteps(
    { from, to, programs }: Execution,
    paths: ReadonlyMap<string, ReadonlySet<string>>,
    compared: ReadonlySet<ReadonlySet<string>>,
  ): RoleStep[] {
    return [...paths].flatMap(([call, list]): RoleStep[] => {
      const step = { call, from, to };
      if (programs.length === 0) return [{ ...step, conditions: [] }];
      const stepBy = (method: "is" | "endsWith", texts: ReadonlySet<string>): RoleStep[] => {
        if (texts.size === 0) return [];
        const values = [...texts].sort().map((text) => jsonText(text));
        const rule = { is: "test", subject: "call.args.path.text", method, values } as const;
        const other = `    if (role.is(${jsonText(from.name)})) role.enter(${jsonText(to.name)});`.length;
        return [{ ...step, conditions: [this.#test(`${shortName(to.name)} programs`, rule, other)] }];
      };
      if (compared.has(list)) return stepBy("is", list);
      const { inFolders, alone } = lastNames(list);
      return [...stepBy("endsWith", inFolders), ...stepBy("is", alone)];
    });
  }

  /** A refused call changes no role. `hoisted` gets what must be evaluated before the phases change. */
  #enterRoles(call: string, steps: readonly RoleStep[], hoisted: string[]): string[] {
    const head = [`call.name === "${call}"`];
    const gate = this.#gates.get(call);
    const triggers = [...this.#sources.permissions.triggers.values()].flat();
    if (gate !== undefined && triggers.some(({ trigger }) => trigger.predicate.call === call)) {
      // The trigger can be what refuses the call from then on.
      const name = this.#name(`${call} passes`);
      hoisted.push(`  const ${name} = ${head[0]} && ${gate}(call);`);
      head.push(name);
    } else if (gate !== undefined) head.push(`${gate}(call)`);
    const enter = (indent: number, before: readonly string[], { from, to, conditions }: RoleStep) =>
      conditional(
        indent,
        [...before, `role.is(${jsonText(from.name)})`, ...conditions],
        "&&",
        `role.enter(${jsonText(to.name)});`,
      );
    if (steps.length === 1) return enter(2, head, steps[0]!);
    return [`  if (${head.join(" && ")}) {`, ...steps.flatMap((step) => enter(4, [], step)), "  }"];
  }
}

/** A call with which a process enters another role. */
interface RoleStep extends RoleBranch {
  readonly conditions: readonly string[];
}

/** Whether processes make threads so often that the kernel must decide it. */
function makesFrequentThreads({ isFrequent, grants }: CallUse): boolean {
  return isFrequent && grants.some(({ signature }) => !isSensitive(signature));
}

function areSame(one: ReadonlySet<State>, other: ReadonlySet<State>): boolean {
  return one.size === other.size && [...one].every((state) => other.has(state));
}
