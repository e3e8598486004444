/** `switch` over the name of a call, a phase, a string or an integer. */

import type { BreakStatement, Expression, Statement, SwitchCase, SwitchStatement } from "oxc-parser";
import { normalise } from "../../../ir/intervals.ts";
import type { Interval } from "../../../ir/program.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { both, either, type Facts, noFacts } from "../values/facts.ts";
import { LexicalScope } from "../values/scope.ts";
import {
  type BooleanValue,
  constantBoolean,
  constantInteger,
  constantString,
  describe,
  type IntegerValue,
  type StringValue,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { Branch, JumpTarget } from "../walk/flow.ts";
import { announceName, declaredNames } from "./announcements.ts";
import { comparison } from "./comparisons.ts";
import { isLeftOpen, refuseOpen, stable } from "./stable.ts";

interface Arm {
  readonly node: SwitchCase;
  readonly tests: readonly BooleanValue[];
  /** The patterns of the subject that select this arm. */
  readonly codes: readonly bigint[];
  readonly isDefault: boolean;
  readonly body: readonly Statement[];
}

/** The labels of all cases, as texts. */
type Labels = ReadonlyMap<string, Expression>;

export function switchStatement(
  c: Compilation,
  node: SwitchStatement,
  name: string | undefined,
  walkAll: (c: Compilation, list: readonly Statement[]) => void,
): void {
  const given = stable(c, c.walker.evaluate(node.discriminant));
  const subject = isLeftOpen(c, given) ? refuseOpen(c, node.discriminant) : given;
  reportRedeclarations(c, node);
  if (subject.is !== "string" && subject.is !== "integer") {
    for (const one of node.cases) {
      c.branch({ ...noFacts, impossible: true }, () =>
        inBlock(c, node, one.consequent, () => walkAll(c, withoutLastBreak(one.consequent, name))),
      );
    }
    c.flow.uncertain = true;
    if (subject.is !== "unknown") {
      c.error(
        "P0309",
        node.discriminant,
        `a switch takes a string or an integer, not ${describe(subject)}`,
        subject.is === "call" ? "switch (call.name)" : "if and else",
      );
    }
    return;
  }
  const target: JumpTarget = { name, breakLabel: c.builder.label(), breaks: [], continues: undefined };
  const { arms, labels } = inBlock(c, node, [], () => collect(c, node, subject));
  c.block(
    target.breakLabel,
    () => {
      c.jumps.push(target);
      try {
        walkArms(c, node, subject, arms, labels, target, walkAll);
      } finally {
        c.jumps.pop();
      }
    },
    () => target.breaks,
  );
}

/**
 * Runs `run` in a scope of the switch's block. In JavaScript the block is one scope. Here each arm has its own, because
 * no arm continues in the next one; the names of the others are announced in it, because they hide outer ones.
 */
function inBlock<T>(c: Compilation, node: SwitchStatement, own: readonly Statement[], run: () => T): T {
  const { scope } = c;
  c.scope = new LexicalScope(scope, c.file);
  try {
    for (const [list, names] of namesByCase(node)) {
      if (list !== own) for (const { name, at, kind } of names) announceName(c, name, at, kind);
    }
    return run();
  } finally {
    c.scope = scope;
  }
}

type NamesOfCase = readonly [list: readonly Statement[], names: ReturnType<typeof declaredNames>];

const namesBySwitch = new WeakMap<SwitchStatement, readonly NamesOfCase[]>();

/** The cases that declare names; few do. */
function namesByCase(node: SwitchStatement): readonly NamesOfCase[] {
  const known = namesBySwitch.get(node);
  if (known !== undefined) return known;
  const made = node.cases
    .map(({ consequent }): NamesOfCase => [consequent, declaredNames(consequent)])
    .filter(([, names]) => names.length > 0);
  namesBySwitch.set(node, made);
  return made;
}

/** Reports names that two cases declare: their block is one scope. */
function reportRedeclarations(c: Compilation, node: SwitchStatement): void {
  const earlier = new Map<string, SourceRange>();
  for (const [, own] of namesByCase(node)) {
    for (const { name, at } of own) {
      const first = earlier.get(name);
      if (first === undefined) continue;
      c.error("P0109", at, `\`${name}\` is declared twice`, "give it another name, or put each case in braces", {
        file: c.file,
        node: first,
        message: "first declared here: the cases of a switch are one block",
      });
    }
    for (const { name, at } of own) earlier.set(name, at);
  }
}

function collect(
  c: Compilation,
  node: SwitchStatement,
  subject: StringValue | IntegerValue,
): { readonly arms: readonly Arm[]; readonly labels: Labels } {
  const arms: Arm[] = [];
  const seen = new Map<string, Expression>();
  let tests: BooleanValue[] = [];
  let codes: bigint[] = [];
  let isDefault = false;
  for (const [index, one] of node.cases.entries()) {
    if (one.test === null) isDefault = true;
    else {
      const label = c.walker.evaluate(one.test);
      const test = caseTest(c, subject, label, one.test, node, seen);
      if (test !== undefined) {
        tests.push(test);
        const code = codeOf(subject, label);
        if (code !== undefined && constantBoolean(test) !== false) codes.push(code);
      }
    }
    if (one.consequent.length === 0 && index < node.cases.length - 1) continue;
    arms.push({ node: one, tests, codes, isDefault, body: one.consequent });
    tests = [];
    codes = [];
    isDefault = false;
  }
  return { arms, labels: seen };
}

function caseTest(
  c: Compilation,
  subject: StringValue | IntegerValue,
  label: Value,
  labelNode: Expression,
  node: SwitchStatement,
  seen: Map<string, Expression>,
): BooleanValue | undefined {
  if (label.is === "unknown") return undefined;
  const constant = constantString(label) ?? constantInteger(label)?.toString();
  if (constant === undefined) {
    c.error(
      "P0310",
      labelNode,
      `a case is a constant, not ${describe(label)} that is known only at each call`,
      "if and else",
    );
    return undefined;
  }
  const earlier = seen.get(constant);
  if (earlier !== undefined) {
    c.error(
      "P0204",
      labelNode,
      `unreachable: an earlier case has ${constantString(label) === undefined ? constant : JSON.stringify(constant)} already`,
      "leave one out",
      {
        file: c.file,
        node: earlier,
        message: "the earlier case",
      },
    );
    return undefined;
  }
  seen.set(constant, labelNode);
  const test = comparison(c, "===", subject, label, labelNode, [node.discriminant, labelNode]);
  return test.is === "boolean" ? test : undefined;
}

function codeOf(subject: StringValue | IntegerValue, label: Value): bigint | undefined {
  if (subject.is === "integer") {
    const constant = constantInteger(label);
    return constant === undefined ? undefined : BigInt.asUintN(64, constant);
  }
  const text = constantString(label);
  return text === undefined ? undefined : subject.codes[subject.options.indexOf(text)];
}

function walkArms(
  c: Compilation,
  node: SwitchStatement,
  subject: StringValue | IntegerValue,
  arms: readonly Arm[],
  labels: Labels,
  target: JumpTarget,
  walkAll: (c: Compilation, list: readonly Statement[]) => void,
): void {
  const tests = arms.flatMap((arm) => arm.tests);
  const none = tests.reduce<Facts>((known, test) => both(known, falseFacts(test)), noFacts);
  const ends: (Branch & { readonly arm: Arm | undefined })[] = [];
  for (const [index, arm] of arms.entries()) {
    const end = c.branch(arm.isDefault ? defaultFacts(arm, none) : armFacts(arm), () => {
      inBlock(c, node, arm.body, () => {
        walkAll(c, withoutLastBreak(arm.body, target.name));
        c.leaveScope(c.scope, arm.node);
      });
      const breaks = endsInBreak(arm.body, target.name);
      if (c.flow.live !== "ended" && !breaks && index < arms.length - 1) {
        const after = arms[index + 1]!.node;
        c.error(
          "P0311",
          { start: after.start, end: after.test?.end ?? after.start + "default".length },
          "the previous case falls through into this one",
          "end it with return or break",
          {
            file: c.file,
            node: { start: arm.node.start, end: arm.node.test?.end ?? arm.node.start + 7 },
            message: "it starts here",
          },
        );
      }
    });
    ends.push({ ...end, arm });
  }
  if (!arms.some((arm) => arm.isDefault)) {
    const end = c.branch(none, () => {
      if (exhausted(c, subject, labels)) c.flow.live = "ended";
    });
    ends.push({ ...end, arm: undefined });
  }
  const merged = c.merge(ends);
  const decided = ends.find(({ arm }) => arm?.tests.some((test) => constantBoolean(test) === true));
  const otherwise = ends.find(({ arm }) => arm === undefined || arm.isDefault)!;
  const open = ends.filter((end) => end !== otherwise && end.entered && end.arm!.codes.length > 0);
  if (decided !== undefined) c.inline(decided.out);
  else if (open.length === 0) c.inline(otherwise.out);
  else if (open.some((end) => end.out.length > 0) || otherwise.out.length > 0) {
    const value = subject.is === "string" ? subject.subject : subject.expression;
    // The cases are exhaustive, so the last one becomes the default: every path then ends where a case does.
    const exhaustive = otherwise.arm === undefined && otherwise.flow.live !== "live";
    const arms = exhaustive ? open.slice(0, -1) : open;
    c.emit(
      {
        kind: "switch",
        value,
        arms: arms.map((end) => ({ intervals: intervalsOf(end.arm!), body: end.out })),
        otherwise: exhaustive ? open.at(-1)!.out : otherwise.out,
      },
      node.discriminant,
    );
  }
  c.flow = merged;
}

function intervalsOf(arm: Arm): readonly Interval[] {
  return normalise(arm.codes.map((code) => ({ from: code, to: code })));
}

function falseFacts(test: BooleanValue): Facts {
  return constantBoolean(test) === true ? { ...test.whenFalse, impossible: true } : test.whenFalse;
}

function trueFacts(test: BooleanValue): Facts {
  return constantBoolean(test) === false ? { ...test.whenTrue, impossible: true } : test.whenTrue;
}

function armFacts(arm: Arm): Facts {
  const [first, ...others] = arm.tests.map(trueFacts);
  // All of the arm's labels had errors, which are reported.
  if (first === undefined) return { ...noFacts, impossible: true };
  return others.reduce(either, first);
}

/** The facts in `case "a": default:`, which also takes "a". */
function defaultFacts(arm: Arm, none: Facts): Facts {
  return arm.tests.length === 0 ? none : either(none, armFacts(arm));
}

/** Whether the cases cover every value, so that no value reaches the statement after the switch. */
function exhausted(c: Compilation, subject: StringValue | IntegerValue, labels: Labels): boolean {
  if (subject.is !== "string") return false;
  if (subject.reference !== undefined) {
    return c.typedNames({ names: subject.names!, reference: subject.reference }) === 0n;
  }
  // A constant has one option of those that its declared type permits, and the cases may have them all.
  return subject.options.every((option) => labels.has(option));
}

function endsInBreak(list: readonly Statement[], name: string | undefined): boolean {
  const last = list.at(-1);
  if (last?.type === "BlockStatement") return endsInBreak(last.body as Statement[], name);
  return last?.type === "BreakStatement" && leavesSwitch(last, name);
}

function leavesSwitch(node: BreakStatement, name: string | undefined): boolean {
  return node.label === null || node.label.name === name;
}

/** The statements without a final `break`, which only ends the case. */
function withoutLastBreak(list: readonly Statement[], name: string | undefined): readonly Statement[] {
  const last = list.at(-1);
  if (last?.type === "BreakStatement" && leavesSwitch(last, name)) return list.slice(0, -1);
  if (last?.type === "BlockStatement" && endsInBreak(list, name)) {
    return [...list.slice(0, -1), { ...last, body: [...withoutLastBreak(last.body as Statement[], name)] }];
  }
  return list;
}
