/**
 * Generates a long policy without comments or blank lines: for each call a rule on its arguments and a rule on state.
 * Members of families (abi/families.ts) come first and completely, so that no denied call has an allowed sibling call
 * and `check` reports nothing.
 */
import type { CallDescription, CallParameter } from "../../src/abi/call.ts";
import { allCalls, callByName } from "../../src/abi/calls.ts";
import { callFamilies } from "../../src/abi/families.ts";
import { nameSet } from "../../src/abi/flags.ts";

/**
 * Calls that are always allowed, calls that change the phase, and calls that are denied because of pointer arguments.
 */
const apart = new Set(["exit", "exit_group", "restart_syscall", "rt_sigreturn", "listen", "clone3", "openat2"]);

/** A policy with this number of lines, each with at most this number of columns, in a formatter's style. */
export function densePolicy(lines: number, columns: number): string {
  const head = [
    'import { allow, deny, perProcess, perTree, policy, type Verdict } from "portcullis";',
    'const phase = perProcess.phases(["starting", "ready", "closing"]);',
    "const refused = perTree.counter();",
    "const quiet = perProcess.flag();",
    "const strangers = perTree.set({",
    "  capacity: 64n,",
    '  full: deny("EAGAIN", "too many strangers"),',
    "});",
    "function outside(value: bigint, least: bigint, most: bigint): boolean {",
    "  return value < least || value > most;",
    "}",
    "function late(): boolean {",
    '  return phase.is("ready", "closing") && !quiet.get();',
    "}",
    "function refuse(who: bigint): Verdict {",
    "  strangers.add(who);",
    "  return refused.add() > 1000n",
    '    ? deny("EPERM", "refused too often")',
    '    : deny("EACCES", "too late for this");',
    "}",
    "export default policy((call) => {",
    "  switch (call.name) {",
  ];
  const rest = [
    '    case "clone3":',
    '    case "openat2":',
    '      return deny("ENOSYS", "its flags lie behind a pointer");',
    '    case "listen":',
    '      if (refused.get() > 100n) phase.enter("closing");',
    "      else if (call.caller.uid === 0n) quiet.set(true);",
    '      else phase.enter("ready");',
    "      return allow;",
    "  }",
    "  return allow;",
    "});",
  ];
  const rules: string[] = [];
  for (const call of inOrder()) {
    const rule = ruleFor(call, rules.length, columns);
    if (head.length + rules.length + rule.length + rest.length > lines) break;
    rules.push(...rule);
  }
  // The remaining lines are fewer than a rule has: one condition per line, for calls without a rule.
  const padding = lines - head.length - rules.length - rest.length;
  const more = Array.from(
    { length: padding },
    (_, at) => `  if (call.caller.uid === ${1000 + at}n) return deny("EPERM", "a guest");`,
  );
  return [...head, ...rules, ...rest.slice(0, -2), ...more, ...rest.slice(-2), ""].join("\n");
}

function inOrder(): CallDescription[] {
  const members = new Set(callFamilies.flatMap((family) => family.members));
  const names = new Set(members);
  for (const { name } of allCalls) names.add(name);
  return [...names]
    .filter((name) => !apart.has(name))
    .map((name) => callByName(name)!)
    .filter(
      ({ name, number, parameters }) => number.x86_64 !== undefined && (parameters.length > 0 || members.has(name)),
    );
}

function ruleFor({ name, parameters }: CallDescription, salt: number, columns: number): string[] {
  const when = (condition: string, then: string) => formatted(condition, then, columns);
  // The kernel uses 12 bits of a mode at most: `check` would say that the numbers below lie outside.
  const integers = parameters.filter(({ kind, width }) => kind.is === "integer" && width > 16);
  const [first, second] = integers.toReversed();
  const named = parameters.find(({ kind }) => kind.is === "flags" || kind.is === "choice");
  const rule = [`    case "${name}":`];
  if (named !== undefined) rule.push(...when(asks(named, salt), `return deny("EINVAL", "${name}");`));
  if (first !== undefined) {
    const argument = `call.args.${first.name}`;
    const [least, most] = [BigInt(salt % 7), BigInt(1000 + salt)];
    rule.push(
      ...(salt % 3 === 0
        ? when(
            `outside(${argument}, ${least}n, ${most}n) && ${argument} !== 7777n`,
            `return deny("EINVAL", "${name}");`,
          )
        : when(
            `(${argument} > ${most}n && ${argument} < ${most * 3n}n) || ${argument} === ${least + 77n}n`,
            `return deny("ERANGE", "${name}");`,
          )),
    );
  }
  if (salt % 2 === 0 || first === undefined) {
    const also = second === undefined ? "" : ` && call.args.${second.name} !== ${salt % 70}n`;
    return [
      ...rule,
      ...when(`late()${also}`, `return refuse(call.caller.${["pid", "tid", "uid"][salt % 3]});`),
      "      return allow;",
    ];
  }
  return [
    ...rule,
    `      if (phase.is("ready") && call.args.${first.name} === ${salt % 70}n) {`,
    "        refused.add();",
    '        return deny("EACCES", "too late for this");',
    "      }",
    "      return allow;",
  ];
}

/** `if` on one line; if that is too long, with a block; else also with each operand on its own line. */
function formatted(condition: string, then: string, columns: number): string[] {
  const line = `      if (${condition}) ${then}`;
  if (line.length <= columns) return [line];
  const body = [`        ${then}`, "      }"];
  const head = `      if (${condition}) {`;
  if (head.length <= columns) return [head, ...body];
  const operands = condition.split(condition.includes(" || ") ? /(?<= \|\|) / : /(?<= &&) /);
  return ["      if (", ...operands.map((one) => `        ${one}`), "      ) {", ...body];
}

/** Two names of the argument's set that exist on x86-64. */
function asks({ name, kind }: CallParameter, salt: number): string {
  if (kind.is !== "flags" && kind.is !== "choice") throw new Error(`${name} has no names`);
  const { members } = nameSet(kind.set)!;
  const here = members.filter(({ value }) => value.x86_64 !== undefined && value.x86_64 !== 0n);
  const [one, other] = [here[salt % here.length]!, here[(salt + 1) % here.length]!];
  const names = one === other ? `"${one.name}"` : `"${one.name}", "${other.name}"`;
  return kind.is === "flags" ? `call.args.${name}.hasAny(${names})` : `call.args.${name}.is(${names})`;
}
