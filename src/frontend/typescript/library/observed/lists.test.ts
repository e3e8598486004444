/** `argv` and `envp`: the entries that a program reads, and mistakes. */
import { expect, it } from "vitest";
import { conditionOn, faults, reads, step } from "../../../testing/compiled.ts";

const argv = "observation 0 argv: list of 1024 strings, 131072 bytes of execve(1)";

it.each([
  ['argv.at(0n).is("sh", "bash")', ['word 0 %argv.0 entry 0 is "sh", is "bash"', "(%argv.0 & 3) != 0"]],
  ['argv.at(1023n).startsWith("-")', ['word 0 %argv.0 entry 1023 startsWith "-"', "(%argv.0 & 1) != 0"]],
  ['argv.includes("-c")', ['word 0 %argv.0 any entry is "-c"', "(%argv.0 & 1) != 0"]],
  ['argv.some("*.sh", "-*")', ['word 0 %argv.0 any entry matches "*.sh", matches "-*"', "(%argv.0 & 3) != 0"]],
  ["argv.length > 3n", ["word 0 %argv.0 length", "3 <u %argv.0"]],
  // A name is not the beginning of another: LD_PRELOAD_X.
  ['argv.has("LD_PRELOAD")', ['word 0 %argv.0 any entry startsWith "LD_PRELOAD="', "(%argv.0 & 1) != 0"]],
  [
    'argv.startsWith(["git", "log"])',
    ['word 0 %argv.0 entry 0 is "git"', 'word 1 %argv.1 entry 1 is "log"', "(%argv.0 & 1) != 0 and (%argv.1 & 1) != 0"],
  ],
])("%s reads entries", (condition, expected) => {
  const words = expected.slice(0, -1);
  const test = `if (number == execve and ${expected.at(-1)})`;
  expect(reads("execve", `call.args.${condition}`)).toEqual([argv, ...words, test]);
});

it("envp is the third argument of execve, and the fourth of execveat", () => {
  expect(reads("execve", 'call.args.envp.has("A")')[0]).toMatch(/of execve\(2\)$/);
  expect(reads("execveat", 'call.args.envp.has("A")')[0]).toMatch(/of execveat\(3\)$/);
});

it("a null pointer is compared without a read", () => {
  expect(reads("execve", "call.args.argv.isNull")).toEqual(["if (number == execve and argument1 == 0)"]);
});

it("every list begins with the empty one, and none with more texts than it can have", () => {
  expect(step(conditionOn("execve", "call.args.argv.startsWith([])"))[0]).toBe("if number == execve");
  const head = `const long = [${'"a", '.repeat(1025)}];`;
  expect(step(conditionOn("execve", "call.args.argv.startsWith(long)"), { head })).toEqual(["return 1 allow"]);
});

it.each([
  ["argv.at()", "4:1 P0207 `.at` takes a constant integer → argv.at(0n) is the first"],
  ["argv.at(call.raw.arg0)", "4:1 P0207 `.at` takes a constant integer → argv.at(0n) is the first"],
  ["argv.at(-1n)", "4:1 P0213 `argv` has at most 1024 entries → count from 0n"],
  ["argv.at(1024n)", "4:1 P0213 `argv` has at most 1024 entries → count from 0n"],
  ['argv.at(0n).under("/a")', "4:23 P0106 a Text has no `under` → it has is, startsWith, endsWith, matches"],
  ["argv.lenght > 3n", "4:16 P0106 an ArgumentList has no `lenght` → did you mean `length`?"],
  ["argv.includes()", '4:1 P0212 `.includes()` compares with nothing → name at least one: `.includes("…")`'],
  ["argv.includes(3n)", "4:25 P0207 `.includes` takes constant strings, and this is an integer"],
  ['argv.some("[")', '4:21 P0214 "[": a [ that is not closed → end it with ], or write \\[ for a bracket'],
  ["argv.startsWith()", '4:1 P0207 `.startsWith` takes one list of texts → argv.startsWith(["git", "log"])'],
  [
    'argv.startsWith("git")',
    '4:27 P0207 `.startsWith` takes one list of texts, and this is a string → argv.startsWith(["git", "log"])',
  ],
  [
    'argv.startsWith(["git"], ["log"])',
    '4:36 P0207 `.startsWith` takes one list of texts and nothing else → argv.startsWith(["git", "log"])',
  ],
  ["argv.startsWith([3n])", "4:27 P0207 `.startsWith` takes a list of constant texts"],
  ["argv.startsWith([name])", "4:28 P0105 there is no `name` → declare it with const, or import it"],
])("a fault: %s", (condition, fault) => {
  expect(faults(conditionOn("execve", `call.args.${condition}`))).toEqual([`policy.ts:${fault}`]);
});
