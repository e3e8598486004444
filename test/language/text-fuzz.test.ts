/**
 * Bad input never crashes, hangs or passes: every text gives a program if and only if it gives no error, and every
 * program is well-formed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hasErrors } from "../../src/diagnostics/catalogue.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { checkProgram } from "../../src/ir/check.ts";
import { SeededChoices } from "../../src/ir/testing/choices.ts";
import { seeds } from "../../src/ir/testing/seeds.ts";
import { corpus } from "./corpus.ts";

const policies = join(import.meta.dirname, "../../policies");
const rejected = join(import.meta.dirname, "rejected");
const texts = [
  ...readdirSync(policies)
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(join(policies, name), "utf8")),
  ...readdirSync(rejected)
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(join(rejected, name), "utf8")),
  ...corpus.map((one) => one.text),
];
const tokens = [
  ...new Set(texts.join("\n").match(/[A-Za-z_$][\w$]*|\d[\w]*|"[^"\n]*"|=>|===|!==|&&|\|\||<<|>>|[^\s\w]/g)),
];
const flow = readFileSync(join(policies, "true.flow.ts"), "utf8");

function tryText(text: string, what: string): void {
  const path = "/fuzz/main.ts";
  const { program, diagnostics, sources } = loadPolicy(path, {
    architecture: "x86_64",
    readFile: (asked) => {
      if (asked === path) return Buffer.from(text);
      if (asked.endsWith("true.flow.ts")) return flow;
      throw new Error("no such file");
    },
  });
  const context = () => `${what}:\n${text.slice(0, 4000)}`;
  if ((program === undefined) !== hasErrors(diagnostics)) expect.fail(`neither or both: ${context()}`);
  const problems = program === undefined ? [] : checkProgram(program);
  if (problems.length > 0) expect.fail(`${problems.slice(0, 3).join("; ")}\n${context()}`);
  const printed = renderDiagnostics(diagnostics, sources, { colour: true });
  if (diagnostics.some((one) => one.code === "P0399")) expect.fail(`${printed}\n${context()}`);
}

function mutate(choices: SeededChoices, text: string): string {
  let mutated = text;
  for (let count = 1 + choices.below(4); count > 0; count--) {
    const at = choices.below(mutated.length + 1);
    const length = choices.below(1 + choices.below(30));
    const other = texts[choices.below(texts.length)]!;
    const from = choices.below(other.length);
    const token = () => tokens[choices.below(tokens.length)]!;
    switch (choices.below(7)) {
      case 0: // delete
        mutated = mutated.slice(0, at) + mutated.slice(at + length);
        break;
      case 1: // a token more
        mutated = `${mutated.slice(0, at)} ${token()} ${mutated.slice(at)}`;
        break;
      case 2: // another name or number for one that is there
        mutated = replaceToken(choices, mutated, token());
        break;
      case 3: // a piece of another policy
        mutated = mutated.slice(0, at) + other.slice(from, from + 10 + choices.below(200)) + mutated.slice(at);
        break;
      case 4: // a piece twice
        mutated = mutated.slice(0, at + length) + mutated.slice(at);
        break;
      case 5: // one byte
        mutated = mutated.slice(0, at) + String.fromCharCode(choices.below(0x250)) + mutated.slice(at + 1);
        break;
      case 6: {
        // a line elsewhere
        const lines = mutated.split("\n");
        const [line] = lines.splice(choices.below(lines.length), 1);
        lines.splice(choices.below(lines.length + 1), 0, line ?? "");
        mutated = lines.join("\n");
      }
    }
  }
  return mutated;
}

function replaceToken(choices: SeededChoices, text: string, token: string): string {
  const places = [...text.matchAll(/[A-Za-z_$][\w$]*|\d\w*/g)];
  const place = places[choices.below(places.length)];
  if (place === undefined) return text;
  return text.slice(0, place.index) + token + text.slice(place.index + place[0].length);
}

describe("bad input", () => {
  it("mutated policies", () => {
    for (const seed of seeds(1000)) {
      const choices = new SeededChoices(seed);
      tryText(mutate(choices, texts[choices.below(texts.length)]!), `mutation ${seed}`);
    }
  });

  it("random tokens", () => {
    for (const seed of seeds(500)) {
      const choices = new SeededChoices(seed);
      const list = Array.from({ length: choices.below(80) }, () => tokens[choices.below(tokens.length)]!);
      const body = list.join(" ");
      tryText(
        choices.below(2) === 0
          ? body
          : `import { allow, deny, policy } from "portcullis";\nexport default policy((call) => { ${body} });`,
        `tokens ${seed}`,
      );
    }
  });

  it("random characters and bytes", () => {
    for (const seed of seeds(500)) {
      const choices = new SeededChoices(seed);
      const bytes = Uint8Array.from({ length: choices.below(300) }, () => choices.below(256));
      tryText(Buffer.from(bytes).toString(seed % 2 === 0 ? "latin1" : "utf8"), `bytes ${seed}`);
    }
  });

  const deep = 100_000;
  it.each([
    ["(", "(", "1n", ")"],
    ["[", "[", "1n", "]"],
    ["{", "{a:", "1n", "}"],
    ["!", "!", "true", ""],
    ["-", "- ", "1n", ""],
    ["+", "1n + ", "1n", ""],
    ["&&", "a && ", "b", ""],
    ["??", "a ?? ", "b", ""],
    ["=>", "() => ", "1n", ""],
    ["?:", "a ? b : ", "c", ""],
    ["a ? b ? : :", "a ? ", "b", " : c"],
    ["template", "`${", "1n", "}`"],
    ["call", "f(", "1n", ")"],
    ["member", "a.", "b", ""],
    ["index", "a[", "b", "]"],
    ["assign", "a = ", "b", ""],
    ["power", "2n ** ", "1n", ""],
    ["new", "new ", "A", ""],
    ["typeof", "typeof ", "a", ""],
    ["type assertion", "<A>", "a", ""],
    ["regular expression", "(a) /`/ (", "1", ")"],
    ["comment in a regular expression", "(a) /[/*]/ (", "1", ")"],
  ])("nested %s a hundred thousand deep", (_, before, middle, after) => {
    tryText(`const x = ${before.repeat(deep)}${middle}${after.repeat(deep)};`, "deep");
  });

  it.each([
    ["if", "if (a) ", ";", ""],
    ["else", "if (a) ; else ", ";", ""],
    ["block", "{", "", "}"],
    ["for", "for (;;) ", ";", ""],
    ["label", "a: ", ";", ""],
    ["function", "function f() {", "", "}"],
    ["switch", "switch (a) { case 1n: ", "", "}"],
    ["type declarations", "type A = B<", "C", ">"],
    ["type aliases", "type A = ", "C", ""],
    ["class", "class A { a = class { b = ", "1", "} }"],
    ["export", "export ", "default 1n", ""],
  ])("nested %s a hundred thousand deep, as a statement", (_, before, middle, after) => {
    tryText(`${before.repeat(deep)}${middle}${after.repeat(deep)}`, "deep");
  });

  it.each([
    ["arguments", "B<", "C", ">"],
    ["arguments named type", "B<type<", "C", ">>"],
    ["parentheses", "(", "C", ")"],
    ["keyof", "keyof ", "C", ""],
    ["conditions", "a extends b ? c : ", "C", ""],
    ["functions", "() => ", "C", ""],
    ["lists", "[", "C", "]"],
    ["members", "{ a: ", "C", "}"],
    ["unions", "A | ", "C", ""],
    ["predicates", "(a: A) => a is ", "C", ""],
  ])("types nested by %s a hundred thousand deep", (_, before, middle, after) => {
    tryText(`type X = ${before.repeat(deep)}${middle}${after.repeat(deep)};`, "deep");
  });

  it("inputs that try to exhaust the compiler", () => {
    const step = (head: string, body: string) =>
      tryText(
        `import { allow, calls, deny, perTree, policy, report } from "portcullis";\n${head}\nexport default policy((call) => { ${body} });`,
        "bomb",
      );
    step(
      `const f0 = (n: bigint): bigint => n + 1n;\n${Array.from({ length: 40 }, (_, i) => `const f${i + 1} = (n: bigint): bigint => f${i}(n) + f${i}(n);`).join("\n")}`,
      "return f40(call.number) > 3n ? allow : allow;",
    );
    step(
      "",
      "for (let a = 0n; a < 1000n; a++) for (let b = 0n; b < 1000n; b++) for (let c = 0n; c < 1000n; c++) { if (call.number === a) return allow; } return allow;",
    );
    step(
      `const l0 = [1n, 2n, 3n, 4n];\n${Array.from({ length: 20 }, (_, i) => `const l${i + 1} = [...l${i}, ...l${i}, ...l${i}, ...l${i}];`).join("\n")}`,
      "return l20.includes(call.number) ? allow : allow;",
    );
    step(
      `const t0 = "xxxxxxxxxxxxxxxx";\n${Array.from({ length: 30 }, (_, i) => `const t${i + 1} = \`\${t${i}}\${t${i}}\`;`).join("\n")}`,
      "return t30 === call.name ? allow : allow;",
    );
    step(
      "",
      `let n = 0n; ${"if (call.raw.arg0 > 5n) n = n + 1n; else n = 2n;".repeat(2000)} return n > 5n ? allow : allow;`,
    );
    step(
      "",
      `let n = call.number; ${Array.from({ length: 60 }, () => "n = n + n;").join(" ")} return n > 5n ? allow : allow;`,
    );
    step(
      "",
      `const a = call.number % 2n === 0n; ${Array.from({ length: 60 }, (_, i) => `const b${i} = ${i === 0 ? "a" : `b${i - 1} === b${i - 1}`};`).join(" ")} return b59 ? allow : allow;`,
    );
    step("const x = 2n ** 64n ** 64n;", "return call.number > x ? allow : allow;");
    step("const x = 1n << 1_000_000_000_000n;", "return call.number > x ? allow : allow;");
    step(`const huge = ${"9".repeat(100_000)}n;`, "return call.number > huge ? allow : allow;");
    step(
      "type A = readonly A[];\nfunction f(a: A): bigint { return 1n; }",
      "return f([[], [[]]]) > call.number ? allow : allow;",
    );
    step(
      "interface A extends B {}\ninterface B extends A {}\nfunction f(a: A): bigint { return 1n; }",
      "return f({}) > call.number ? allow : allow;",
    );
  });
});
