import { describe, expect, it } from "vitest";
import { faults, step } from "../../testing/compiled.ts";

describe("the methods of a list", () => {
  it(".includes of integers is one test of intervals", () => {
    expect(step("return [1n, 2n, 5n].includes(call.raw.arg0) ? trap() : allow;")[0]).toBe(
      "if argument0 in {1 to 2, 5}",
    );
  });

  it(".includes tests only the elements that the value can be, with its sign", () => {
    expect(step("return [-1n, 3n, 300n].includes(call.raw.arg0 & 0xffn) ? trap() : allow;")[0]).toBe(
      "if (argument0 & 255) == 3",
    );
    expect(step("return [-1n, 3n].includes(BigInt.asIntN(64, call.raw.arg0)) ? trap() : allow;")[0]).toBe(
      "if argument0 in {3, -1}",
    );
  });

  it(".includes of strings is a chain of comparisons", () => {
    expect(step('return ["read", "write"].includes(call.name) ? trap() : allow;')[0]).toBe(
      "if (number == read or number == write)",
    );
  });

  it(".includes narrows its value", () => {
    expect(step("return [3n, 5n].includes(call.raw.arg0) && call.raw.arg0 + 1n === 4n ? trap() : allow;")[0]).toBe(
      "if (argument0 in {3, 5} and (argument0 + 1) == 4)",
    );
  });

  it(".some and .every call their function for each element", () => {
    expect(step("return [1n, 2n].some((x) => x === call.raw.arg0) ? trap() : allow;")[0]).toBe(
      "if (1 == argument0 or 2 == argument0)",
    );
    expect(step("return [call.raw.arg0, call.raw.arg1].every((x) => x > 3n) ? trap() : allow;")[0]).toBe(
      "if (3 <u argument0 and 3 <u argument1)",
    );
  });

  it(".map makes a list of what its function returns", () => {
    expect(step("return [1n, 2n].map((x) => x + 3n).includes(call.raw.arg0) ? trap() : allow;")[0]).toBe(
      "if argument0 in {4 to 5}",
    );
    expect(step("return [call.raw.arg0].map((x) => x & 1n).some((x) => x === 1n) ? trap() : allow;")[0]).toBe(
      "if (argument0 & 1) == 1",
    );
  });

  it("of an empty list are decided", () => {
    expect(step("return [].includes(call.raw.arg0) || [].some((x) => x === 1n) ? trap() : allow;")).toEqual([
      "return 1 allow",
    ]);
    expect(step("return [].every((x) => x === 1n) ? trap() : allow;")).toEqual(["return 1 trap"]);
  });
});

it.each([
  ["[1n, 2n].includes(1n, 2n)", "3:30 P0212 `.includes` takes one value"],
  ['["a", "b"].includes(call.number)', "3:28 P0208 the list contains a string, and `.includes` is given an integer"],
  ["[1n].some(3n)", "3:18 P0207 `.some` takes a function, not an integer → (one) => …"],
  [
    "[1n].some((x, i) => x === i)",
    "3:22 P0212 `.some` gives its function one element, and no index: the language has no numbers → (one) => …, or a `let` that counts in a loop",
  ],
  ["[1n].map(3n)", "3:17 P0207 `.map` takes a function, not an integer → (one) => …"],
  ["[1n].filter((x) => true)", "3:13 P0106 a list has no `filter` → it has includes, some, every, map"],
])("a fault of a list's method: %s", (test, fault) => {
  expect(faults(`return ${test} ? log : allow;`)).toEqual([`policy.ts:${fault}`]);
});
