import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../abi/architecture.ts";
import { callByName } from "../abi/calls.ts";
import { evaluate } from "../ir/interpreter.ts";
import { printProgram } from "../ir/print.ts";
import type { Program } from "../ir/program.ts";
import { freshState } from "../ir/testing/parts.ts";
import { loadPolicy } from "./load.ts";
import { loadOpenPolicy } from "./open.ts";

const head = `import { allow, calls, deny, type Policy, parameter, perProcess, perTree, policy, report } from "portcullis";\n`;

function open(source: string, set: Readonly<Record<string, string>> = {}) {
  const { loaded, fixed } = loadOpenPolicy("/policy.ts", {
    architecture: "x86_64",
    set: new Map(Object.entries(set)),
    readFile: () => head + source,
  });
  return {
    program: loaded.program,
    errors: loaded.diagnostics.filter(({ severity }) => severity === "error").map(({ message }) => message),
    open: loaded.program?.parameters.map(({ name }) => name),
    fixed: Object.fromEntries([...fixed].map(([name, why]) => [name, why?.message])),
    declared: loaded.parameters,
  };
}

const most = `const most = parameter.integer("most", { default: 16n, from: 1n, to: 100n });\n`;
const flag = `const network = parameter.flag("network", { default: true });\n`;
const step = (body: string) => `export default policy((call) => {\n${body}\nreturn allow;\n});\n`;
const dup = (condition: string) => step(`if (call.name === "dup2" && ${condition}) return deny("EBADF");`);

describe("a parameter stays open", () => {
  it.each([
    ["in a comparison", most + dup("call.args.newfd > most")],
    ["in a sum that fits", most + dup("call.args.newfd > most * 2n + 1n")],
    ["under a name of its own", `${most}const twice = most * 2n;\n${dup("call.args.newfd > twice")}`],
    [
      "through many names",
      `${most}const a = most + most + most + most;\nconst b = a + a + a + a + a + a;\n${dup("call.args.newfd > b + b")}`,
    ],
    ["in a function", `${most}function over(fd: bigint) { return fd > most; }\n${dup("over(call.args.newfd)")}`],
    [
      "as an argument of a function that returns a policy",
      `${most}function of(limit: bigint): Policy { const opened = perTree.counter(); return policy((call) => call.name === "openat" && opened.add() > limit ? deny("EMFILE") : allow); }\nexport default of(most);`,
    ],
    ["as a value of a report", most + step(`if (call.name === "dup2") report("dup", { most });`)],
    ["as a condition", flag + dup("!network")],
    [
      "in an if of the step",
      flag + step(`if (network) return allow;\nif (call.name === "socket") return deny("EACCES");`),
    ],
    ["in a ?: at the top", `${most}${flag}const limit = network ? most : 7n;\n${dup("call.args.newfd > limit")}`],
    ["in && at the top", `${most}${flag}const wide = network && most > 8n;\n${dup("wide")}`],
    [
      "as a key of a table",
      `${most}const seen = perTree.set({ capacity: 8n, full: deny("EMFILE") });\n${dup("seen.has(most)")}`,
    ],
    ["among the elements of a list", `${most}const some = [3n, most];\n${dup("some.includes(call.args.newfd)")}`],
    [
      "with a range that can be negative",
      `const low = parameter.integer("low", { default: -1n, from: -5n, to: 5n });\n${dup("call.args.newfd < low")}`,
    ],
    [
      "without a default",
      `const needed = parameter.integer("needed", { from: 1n, to: 9n });\n${dup("call.args.newfd > needed")}`,
    ],
    ["without a reader", `${most}export default policy(() => allow);`],
  ])("%s", (_, source) => {
    const { errors, open: names, fixed } = open(source);
    expect(errors).toEqual([]);
    expect(fixed).toEqual({});
    expect(names?.length).toBeGreaterThan(0);
  });
});

describe("a parameter is fixed, with the reason", () => {
  it.each([
    [
      "as a capacity",
      `${most}const seen = perTree.set({ capacity: most, full: deny("EMFILE") });\n${dup("seen.has(1n)")}`,
      /capacity/,
    ],
    [
      "as the bound of a loop",
      most +
        step(
          `for (let i = 0n; i < most; i++) if (call.name === "dup2" && call.args.newfd === i) return deny("EBADF");`,
        ),
      /not known at compile time|bound/,
    ],
    ["as the first value of a cell", `${most}const level = perProcess.value(most);\n${dup("level.get() > 3n")}`, /./],
    ["as an exponent", most + dup("call.args.newfd > 2n ** most"), /power/],
    [
      "if a sum could exceed 64 bits",
      `const most = parameter.integer("most", { default: 16n, from: 1n, to: 1n << 62n });\n${dup("call.args.newfd > most * 4n")}`,
      /can exceed 64 bits/,
    ],
    [
      "as a divisor that can be 0",
      `const most = parameter.integer("most", { default: 6n, from: 0n, to: 9n });\n${dup("call.args.newfd / most > 1n")}`,
      /divisor can be 0/,
    ],
    [
      "with a range that exceeds 64 bits",
      `const most = parameter.integer("most", { default: 16n });\n${dup("call.args.newfd > most")}`,
      /exceeds 64 bits/,
    ],
    [
      "as the choice of a policy",
      `${flag}const base = policy((call) => calls.exec.has(call) ? deny("EPERM") : allow);\nexport default network ? base : policy(() => allow);`,
      /depends on an open parameter/,
    ],
    [
      "as the choice of state",
      `${flag}function of(): Policy { if (network) { const opened = perTree.counter(); return policy((call) => call.name === "openat" && opened.add() > 3n ? deny("EMFILE") : allow); }\nreturn policy(() => allow); }\nexport default of();`,
      /depends on an open parameter/,
    ],
    [
      "in a conditional call",
      `${flag}function next() { let count = 0n; count += 1n; return count > 0n; }\nconst started = network && next();\n${dup("started")}`,
      /depends on an open parameter/,
    ],
    [
      "in a switch at the top",
      `${most}function of(): bigint { switch (most) { case 3n: return 1n; default: return 2n; } }\nconst limit = of();\n${dup("call.args.newfd > limit")}`,
      /depends on an open parameter/,
    ],
    [
      "as the default of another parameter",
      `${most}const other = parameter.integer("other", { default: most, from: 1n, to: 100n });\n${dup("call.args.newfd > other")}`,
      /default/,
    ],
    [
      "as the setting of a rate",
      `${most}const forks = perTree.rate({ limit: most, per: "1s" });\n${step(`if (calls.fork.has(call) && !forks.take()) return deny("EAGAIN");`)}`,
      /./,
    ],
  ])("%s", (_, source, why) => {
    const closed = loadPolicy("/policy.ts", { architecture: "x86_64", readFile: () => head + source });
    // Other errors would be faults of the test.
    const broken = closed.diagnostics.filter(({ severity }) => severity === "error").map(({ message }) => message);
    const { errors, open: names, fixed, program } = open(source);
    expect(errors).toEqual(broken);
    expect(broken).toEqual([]);
    const [name] = Object.keys(fixed);
    expect(names).not.toContain(name);
    expect(fixed[name!]).toMatch(why);
    expect(names!.length + Object.keys(fixed).length).toBe(closed.parameters.length);
    if (names!.length === 0) expect(printProgram(program!)).toBe(printProgram(closed.program!));
  });

  it("declared in two ways", () => {
    const second = `const again = parameter.integer("most", { default: 16n, from: 1n, to: 99n });\n`;
    expect(open(most + second + dup("call.args.newfd > most + again")).fixed).toEqual({
      most: 'the parameter "most" is declared in two ways',
    });
    expect(open(most + most.replace("const most", "const again") + dup("call.args.newfd > most + again")).open).toEqual(
      ["most"],
    );
  });

  it("by --set, and the others stay open", () => {
    const {
      open: names,
      fixed,
      declared,
    } = open(most + flag + dup("network && call.args.newfd > most"), { most: "20" });
    expect(names).toEqual(["network"]);
    expect(fixed).toEqual({});
    expect(declared.map(({ name, value, open: isOpen }) => [name, value, isOpen])).toEqual([
      ["most", "20", false],
      ["network", undefined, true],
    ]);
  });

  it("as one of two that cannot both stay open", () => {
    const big = (name: string) =>
      `const ${name} = parameter.integer("${name}", { default: 2n, from: 1n, to: 1n << 40n });\n`;
    const { open: names, fixed } = open(big("first") + big("second") + dup("call.args.newfd > first * second"));
    expect(names).toEqual(["first"]);
    expect(fixed["second"]).toMatch(/can exceed 64 bits/);
  });
});

it("a parameter without default that cannot stay open must be given", () => {
  const source = `const most = parameter.integer("most", { from: 1n, to: 8n });\nconst seen = perTree.set({ capacity: most, full: deny("EMFILE") });\n${dup("seen.has(1n)")}`;
  expect(open(source).errors).toEqual(['the parameter "most" has no default and no value']);
  expect(open(source, { most: "3" }).errors).toEqual([]);
});

it("an unknown name and a value out of range are reported", () => {
  expect(open(most + dup("call.args.newfd > most"), { moss: "3" }).errors).toEqual([
    'the policy has no parameter "moss"',
  ]);
  expect(open(most + dup("call.args.newfd > most"), { most: "0" }).errors[0]).toContain("from 1 to 100");
});

/** The verdicts of a policy with constant parameters and with open ones. */
describe("open parameters have the semantics of constants", () => {
  const source = `${most}${flag}const low = parameter.integer("low", { default: -1n, from: -5n, to: 5n });
const limit = network ? most : low;
const wide = !network || most > 50n;
const opened = perTree.counter();
export default policy((call) => {
  if (call.name === "dup2") {
    if (call.args.newfd < low) return deny("EBADF");
    if (wide && call.args.oldfd > most) return deny("EMFILE");
    let sum = most + call.args.newfd;
    if (network && sum > 120n) sum = limit * 2n;
    return sum > 90n ? deny("EINVAL") : allow;
  }
  if (call.name === "openat" && opened.add() > most - low) return deny("ENFILE");
  return call.name === "socket" && !network ? deny("EACCES") : allow;
});
`;
  const { program } = open(source);
  const numbers = ["dup2", "openat", "socket"].map((name) => callByName(name)!.number.x86_64!);

  function verdicts(of: Program, words: readonly bigint[]): string[] {
    const state = freshState(of);
    const who = { now: 1n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };
    const said: string[] = [];
    for (const number of numbers)
      for (const first of [0n, 7n, 60n, 0xffff_fff0n])
        for (const second of [0n, 4n, 49n, 51n, 90n, 0xffff_fffdn]) {
          const event = {
            number,
            architecture: auditArchitecture.x86_64,
            instructionPointer: 0n,
            arguments: [first, second, 0n, 0n, 0n, 0n] as const,
          };
          const { verdict } = evaluate(of, event, who, state, words);
          said.push(`${of.verdicts[verdict]!.action} ${of.verdicts[verdict]!.errno}`);
        }
    return said;
  }

  it.each(
    [1n, 2n, 49n, 50n, 51n, 100n].flatMap((value) =>
      [-5n, 0n, 5n].flatMap((low) => [true, false].map((on) => ({ value, low, on }))),
    ),
  )("most=$value low=$low network=$on", ({ value, low, on }) => {
    const set = new Map([
      ["most", String(value)],
      ["low", String(low)],
      ["network", String(on)],
    ]);
    const closed = loadPolicy("/policy.ts", { architecture: "x86_64", set, readFile: () => head + source });
    expect(closed.program!.parameters).toEqual([]);
    const words = program!.parameters.map(({ name }) =>
      BigInt.asUintN(64, name === "most" ? value : name === "low" ? low : BigInt(on)),
    );
    expect(verdicts(program!, words)).toEqual(verdicts(closed.program!, []));
  });
});

describe("readOnlyProc", () => {
  const declares = (source: string, set: Readonly<Record<string, string>> = {}) => {
    const { program, errors } = open(source, set);
    return errors.length > 0 ? errors : program!.readOnlyProc;
  };
  const as = (value: string) => `export default policy({ readOnlyProc: ${value} }, () => allow);\n`;

  it("holds if the policy, or any that it extends, declares it", () => {
    expect(declares(step(""))).toBe(false);
    expect(declares(as("false"))).toBe(false);
    expect(declares(as("true"))).toBe(true);
    const base = "const base = policy({ readOnlyProc: true }, () => allow);\n";
    const middle = `${base}const middle = policy({ extends: [base] }, () => allow);\n`;
    expect(declares(`${middle}export default policy({ extends: [middle], readOnlyProc: false }, () => allow);\n`)).toBe(
      true,
    );
  });

  it("fixes a parameter that it depends on", () => {
    const found = open(flag + most + as("network && most > 3n"));
    expect(found.open).toEqual([]);
    expect(found.program!.readOnlyProc).toBe(true);
    expect(Object.keys(found.fixed)).toEqual(["network", "most"]);
    expect(found.fixed["network"]).toContain(
      "`readOnlyProc` of the settings of a policy must be known at compile time",
    );
    expect(declares(flag + as("network"), { network: "false" })).toBe(false);
  });

  it("is a constant", () => {
    expect(declares(as('"yes"'))).toEqual([
      "`readOnlyProc` of the settings of a policy must be a boolean that is known at compile time, not a string",
    ]);
  });
});
