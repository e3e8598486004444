/** Prints a proposal as a policy: a TypeScript module with a comment on the origin of each rule. */

import { jsonText, safeText } from "../diagnostics/width.ts";
import type { ArchitectureName } from "../linux/architecture.ts";
import { fallbacks } from "../linux/fallbacks.ts";
import { isExecutingCall } from "../linux/process-calls.ts";
import type { AddressCase } from "./addresses.ts";
import type { History } from "./history.ts";
import { comment, conditional, identifier, list } from "./layout.ts";
import type { CallUse, Permissions, PhaseTrigger, State } from "./permissions.ts";
import { comparableLists, lastNames } from "./programs.ts";
import type { Execution, Role, RoleBranch, Roles } from "./roles.ts";
import { type ArgumentRules, conditionsOn, type Rule } from "./rules.ts";
import { isSensitive } from "./sensitive.ts";
import type { Trigger } from "./triggers.ts";
import { type Variant, variantsOf } from "./variants.ts";

export interface PolicyText {
  readonly text: string;
  /** Arguments without a rule, by call: a statement for the user. */
  readonly open: ReadonlyMap<string, ArgumentRules["open"]>;
}

interface Sources {
  readonly history: History;
  readonly roles: Roles;
  readonly permissions: Permissions;
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
  readonly #names = new Set<string>(["call", "allow", "calls", "refused", "policy", "judge", "to", "role", "phase"]);
  readonly #tests = new Map<string, string>();
  readonly #open = new Map<string, ArgumentRules["open"]>();
  readonly #phaseOf = new Map<Role, string>();
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
    const lines = [
      ...head,
      ...list(
        0,
        "import ",
        imported.map(({ text }) => text),
        ' from "portcullis";',
        ["{ ", " }"],
      ),
      "",
      ...[...this.#sources.settings.values()].flatMap((setting) => [...setting, ""]),
      'const refused = deny("EPERM", "no recording has it");',
      ...state,
      ...this.#constants,
      ...judge,
      "",
      ...step,
    ];
    return { text: `${lines.join("\n")}\n`, open: this.#open };
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
      const children = [...roles.children].map(([from, to]) => `${key(from.name)}: ${jsonText(to.name)}`);
      lines.push("", "// The origin of a process: of a child its parent, of a program its path.");
      if (children.length === 0) {
        lines.push(...list(0, "const role = perProcess.phases(", names, ");", ["[", "]"]));
      } else {
        const flat = `const role = perProcess.phases([${names.join(", ")}], { onFork: { ${children.join(", ")} } });`;
        const head = `const role = perProcess.phases([${names.join(", ")}], {`;
        if (flat.length <= 120) lines.push(flat);
        else if (head.length <= 120) lines.push(head, ...list(2, "onFork: ", children, ",", ["{ ", " }"]), "});");
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
      const name = this.#name(hasRoles ? `${role.name} phase` : "phase", !hasRoles);
      this.#phaseOf.set(role, name);
      const isTightening = this.#isTightening(role);
      const options = isTightening ? ", { tightening: true }" : "";
      lines.push("", ...triggers.flatMap(({ trigger }) => comment(0, "//", describeTrigger(trigger, role, hasRoles))));
      lines.push(`const ${name} = perProcess.phases([${phases.join(", ")}]${options});`);
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

  /** Makes a function of a test that is long or used more than once. */
  #testName(states: ReadonlySet<State>): string | undefined {
    const test = this.#stateTest(states);
    if (test === undefined) return undefined;
    if (test.length <= 50 && !/&&|\|\|/.test(test)) return test;
    let name = this.#tests.get(test);
    if (name === undefined) {
      name = this.#name(this.#shortName(states));
      this.#tests.set(test, name);
      const lines = conditionLines(2, "return ", test, ";");
      this.#constants.push("", `function ${name}(): boolean {`, ...lines, "}");
    }
    return `${name}()`;
  }

  /** `in main starting`; for more than two states, their common part. */
  #shortName(states: ReadonlySet<State>): string {
    const parts = this.#parts(states).map(({ role, phase }) => `${role.name} ${phase ?? ""}`.trim());
    if (parts.length <= 2) return `in ${parts.join(" or ")}`;
    return [...states].every(({ phase }) => phase === "starting") ? "in any starting" : "in some";
  }

  #describe(states: ReadonlySet<State>): string {
    const parts = this.#parts(states).map(({ role, phase }) => {
      const whose = this.#sources.roles.list.length > 1 ? `in ${role.name}` : "";
      return [whose, phase === undefined ? "" : `while it is ${phase}`].filter((one) => one !== "").join(" ");
    });
    return parts.join(", ");
  }

  /** Both phases of a role together are the role. */
  #parts(states: ReadonlySet<State>): { role: Role; phase: State["phase"] }[] {
    return this.#sources.roles.list.flatMap((role): { role: Role; phase: State["phase"] }[] => {
      const own = this.#sources.permissions.states.filter((state) => state.role === role);
      const inside = own.filter((state) => states.has(state));
      return inside.length === own.length && inside.length > 0 ? [{ role, phase: undefined }] : inside;
    });
  }

  #name(text: string, isFixed = false): string {
    const stem = identifier(text);
    let name = stem;
    if (!isFixed) for (let number = 2; this.#names.has(name); number++) name = `${stem}${number}`;
    this.#names.add(name);
    return name;
  }

  // ── Verdicts ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #judge(): string[] {
    this.#types.add("Call").add("Verdict");
    const { permissions } = this.#sources;
    const plain = new Map<string, { states: ReadonlySet<State>; uses: CallUse[] }>();
    const cases: Case[] = [];
    const recorded = new Set(permissions.calls.map(({ call }) => call));
    for (const use of permissions.calls) {
      const variants = variantsOf(use, permissions.states, this.#architecture);
      const open = variants.find((variant) => variant.open.length > 0)?.open;
      if (open !== undefined) this.#open.set(use.call, open);
      const isGated = this.#changesRole(use.call) && variants.every((variant) => this.#isBounded(variant));
      const free = variants.filter(({ rules }) => rules.length === 0);
      if (use.call === "clone3" && (makesFrequentThreads(use) || (free.length > 0 && this.#isStateful))) {
        const why = makesFrequentThreads(use)
          ? "which a supervisor would judge each time by its flags in memory: the C library then takes clone."
          : "without its flags, which a policy with state must know: the C library then takes clone.";
        const labels = [...comment(4, "//", `${this.#uses(use)}, ${why}`), '    case "clone3":'];
        cases.push({ use, labels, body: ['      return deny("ENOSYS");'] });
        continue;
      }
      if (isGated) {
        cases.push(this.#case(use, this.#gate(use.call, variants)));
        continue;
      }
      for (const { states } of free) {
        const test = this.#stateTest(states) ?? "";
        const group = plain.get(test) ?? { states, uses: [] };
        group.uses.push(use);
        plain.set(test, group);
      }
      const ruled = variants.filter(({ rules }) => rules.length > 0);
      if (ruled.length > 0) cases.push(this.#case(use, this.#allowances(6, use.call, ruled, "return allow;")));
    }
    // If only the older call was recorded, the newer one fails with ENOSYS.
    const newer = Object.entries(fallbacks).filter(([call, older]) => !recorded.has(call) && recorded.has(older));
    const labels = newer.flatMap(([call, older]) =>
      commented(`    case "${call}":`, `The C library then takes ${older}.`),
    );
    const fails = labels.length === 0 ? [] : [...labels, '      return deny("ENOSYS");'];
    const groups = [...plain.values()].sort((a, b) => b.states.size - a.states.size || b.uses.length - a.uses.length);
    const body = groups.flatMap((group) => this.#group(group.states, group.uses));
    const lines = ["", "function judge(call: Call): Verdict {", ...body];
    const switched = [...joined(cases).flatMap((one) => [...one.labels, ...one.body]), ...fails];
    if (switched.length > 0) lines.push("  switch (call.name) {", ...switched, "  }");
    return [...lines, "  return refused;", "}"];
  }

  /** Makes a set of calls without rules on arguments, allowed in these states. */
  #group(states: ReadonlySet<State>, uses: readonly CallUse[]): string[] {
    this.#imports.add("calls");
    const test = this.#testName(states);
    const name = this.#name(test === undefined ? "always" : `calls ${this.#shortName(states)}`);
    const where = test === undefined ? "" : ` ${this.#describe(states)}`;
    this.#constants.push("", ...comment(0, "//", `Allowed with any arguments${where}.`), `const ${name} = calls(`);
    for (const use of uses) this.#constants.push(`  "${use.call}", // ${this.#uses(use)}`);
    this.#constants.push(");");
    return conditional(
      2,
      [`${name}.has(call)`, ...(test === undefined ? [] : [/\|\|/.test(test) ? `(${test})` : test])],
      "&&",
      "return allow;",
    );
  }

  /** `1,207: 1,204 by main, 3 by child` */
  #uses({ count, byRole, because }: CallUse): string {
    const total = count.toLocaleString("en-US");
    const roles = [...byRole].map(([{ name }, times]) => `${times.toLocaleString("en-US")} by ${name}`);
    if (count === 0) return because ?? "as other calls of its family do it";
    if (this.#sources.roles.list.length === 1) return total;
    return roles.length === 1 ? roles[0]! : `${total}: ${roles.join(", ")}`;
  }

  #case(use: CallUse, allowances: readonly string[]): Case {
    // A single place refuses, so a refusal here is the policy's default and not a rule against the call.
    const body = [...allowances, "      break;"];
    return { use, labels: commented(`    case "${use.call}":`, this.#uses(use)), body };
  }

  #allowances(indent: number, call: string, variants: readonly Variant[], statement: string): string[] {
    return variants.flatMap(({ states, rules }) => {
      const test = this.#testName(states);
      const conditions = [
        ...(test === undefined ? [] : [/\|\|/.test(test) ? `(${test})` : test]),
        ...rules.flatMap((rule) => this.#conditions(call, rule)),
      ];
      return conditional(indent, conditions, "&&", statement);
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
    const name = this.#name(`may ${call}`);
    this.#gates.set(call, name);
    this.#types.add("CallOf");
    this.#constants.push("", `function ${name}(call: CallOf<"${call}">): boolean {`, ...body, "  return false;", "}");
    return [`      if (${name}(call)) return allow;`];
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
    const name = this.#name(`may ${call}`);
    const head = `function ${name}(call: CallOf<"${call}">): boolean {`;
    this.#constants.push("", head, ...conditionLines(2, "return ", tests.join(" || "), ";"), "}");
    return `${name}(call)`;
  }

  /** Long lists get a name. */
  #test(call: string, { subject, method, values }: Rule & { is: "test" }, indent: number): string {
    const text = `${subject}.${method}(${values.join(", ")})`;
    if (indent + text.length + "if (!) return refused;".length <= 120) return text;
    if (subject.startsWith("[")) {
      const name = this.#constant(`${call} values`, subject.slice(1, -1).split(", "));
      return `${name}.${method}(${values.join(", ")})`;
    }
    const [, , parameter = ""] = subject.split(".");
    const name = this.#constant(
      `${call} ${parameter} ${method === "is" || method === "hasOnly" ? "" : method}`,
      values,
    );
    return `${subject}.${method}(...${name})`;
  }

  #constant(text: string, values: readonly string[]): string {
    const key = values.join();
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const name = this.#name(text);
    this.#lists.set(key, name);
    this.#constants.push("", ...list(0, `const ${name} = `, values, ";", ["[", "]"]));
    return name;
  }

  #addressFunction(call: string, cases: readonly AddressCase[]): string {
    this.#types.add("SocketAddress");
    const name = this.#name(`${call} reaches`);
    const lines = ["", `function ${name}(to: SocketAddress): boolean {`, "  switch (to.kind) {"];
    const plain = cases.filter(({ conditions }) => conditions.length === 0);
    for (const { kind, conditions } of cases) {
      if (conditions.length === 0) continue;
      lines.push(`    case "${kind}":`);
      for (const { any } of conditions) {
        const tests = any.map(({ subject, method, values }) => {
          if (method === ">=") return `${subject} < ${values[0]}`;
          if (subject.startsWith("cidr(")) {
            this.#imports.add("cidr");
            const text = this.#name(`${call} networks`);
            this.#constants.push(
              "",
              ...list(0, `const ${text} = cidr`, subject.slice(5, -1).split(", "), ";", ["(", ")"]),
            );
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
    this.#constants.push(...lines, "    default:", "      return false;", "  }", "}");
    return name;
  }

  // ── The step ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #step(): string[] {
    const { roles, permissions } = this.#sources;
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
        if (!isExecutingCall(call)) continue;
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
        return [{ ...step, conditions: [this.#test(`${to.name} program`, rule, 70)] }];
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

/** A description for the comment and for the user. */
function describeTrigger(trigger: Trigger, role: Role, hasRoles: boolean): string {
  const { dropped, processes, ofProcesses, matches, ofCalls } = trigger;
  const whose = hasRoles ? ` of ${role.name}` : "";
  const who = ofProcesses === 1 ? "the process" : `${processes} of ${ofProcesses} processes`;
  const names =
    dropped.length > 6 ? `${dropped.slice(0, 6).join(", ")} and ${dropped.length - 6} more` : dropped.join(", ");
  const often = `${matches.toLocaleString("en-US")} of ${ofCalls.toLocaleString("en-US")} calls match`;
  return `${describePredicate(trigger)}${whose} (${who}; ${often}): ${dropped.length} calls are never made after it: ${names}.`;
}

/** `The first setuid(uid=33)` */
export function describePredicate({ predicate, example }: Pick<Trigger, "predicate" | "example">): string {
  const order = ["first", "second", "third", "fourth"][predicate.nth - 1];
  const { argument } = predicate;
  if (argument === undefined) return `The ${order} ${predicate.call}`;
  const { parameter } = example.aspects[argument.index]!;
  const isAddress = example.aspects[argument.index]!.is === "address";
  const value =
    typeof argument.value === "bigint" || isAddress ? safeText(String(argument.value)) : jsonText(argument.value);
  return `The ${order} ${predicate.call}(${parameter}=${value})`;
}

function key(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : jsonText(name);
}

/** The lines of one call. */
interface Case {
  readonly use: CallUse;
  readonly labels: readonly string[];
  readonly body: readonly string[];
}

/** Alternatives with the same rules as the recorded call are one case with it. */
function joined(cases: readonly Case[]): readonly Case[] {
  const textOf = ({ body }: Case) => body.join();
  const belongsTo = (one: Case, other: Case) =>
    one.use.because === `as ${other.use.call}` && textOf(one) === textOf(other);
  const rest = cases.filter((one) => !cases.some((other) => belongsTo(one, other)));
  return rest.map((one) => {
    const alternatives = cases.filter((other) => belongsTo(other, one));
    return { ...one, labels: [...alternatives.flatMap(({ labels }) => labels), ...one.labels] };
  });
}

/** The comment is behind the line if there is room, else before it. */
function commented(line: string, text: string): string[] {
  const whole = `${line} // ${text}`;
  return whole.length <= 120 ? [whole] : [...comment(line.search(/\S/), "//", text), line];
}

function conditionLines(indent: number, head: string, test: string, tail: string): string[] {
  const blanks = " ".repeat(indent);
  const line = `${blanks}${head}${test}${tail}`;
  if (line.length <= 120) return [line];
  const parts = test.split(" || ");
  const single = /^([\w.]+)\(([^()]*)\)$/.exec(test);
  if (single !== null) return list(indent, `${head}${single[1]}`, single[2]!.split(", "), tail, ["(", ")"]);
  if (indent + 2 + test.length <= 120) return [`${blanks}${head}(`, `${blanks}  ${test}`, `${blanks})${tail}`];
  return [
    `${blanks}${head}(`,
    ...parts.map((part, index) => `${blanks}  ${part}${index < parts.length - 1 ? " ||" : ""}`),
    `${blanks})${tail}`,
  ];
}

/** The order of the project's formatter: without regard to case. */
function compareImports(a: string, b: string): number {
  return a.toLowerCase() < b.toLowerCase() ? -1 : 1;
}
