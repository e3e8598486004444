import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Program } from "../../ir/program.ts";
import { generateProgram, SeededChoices } from "../../ir/testing/arbitrary.ts";
import { seeds } from "../../ir/testing/seeds.ts";
import { loadPolicy } from "../../language/load.ts";
import { surveyedLints } from "./lint.ts";
import { SurveyView } from "./surveyed.ts";
import { View } from "./view.ts";

const root = new URL("../../../", import.meta.url).pathname;
const programs = 600;

/** A certain verdict is possible in the split, and a lint that the survey rules out finds nothing. */
function compare(program: Program, label: string): { certain: number; possible: number; passed: number } | undefined {
  const survey = SurveyView.of(program);
  if (survey === undefined) return undefined;
  const view = new View(program);
  const count = { certain: 0, possible: 0, passed: 0 };
  for (const number of view.decisions.keys()) {
    const name = view.name(number);
    const call = survey.call(name);
    if (call === undefined) continue;
    const possible = view.possible(name);
    for (const verdict of call.certain) expect(possible, `${label}, ${name}`).toContain(verdict);
    count.certain += call.certain.size;
    count.possible += possible.length;
  }
  for (const { may, find } of surveyedLints) {
    if (may(survey)) continue;
    count.passed++;
    expect(find(view), `${label}, ${may.name}`).toEqual([]);
  }
  return count;
}

describe("the survey", () => {
  it("agrees with the split on random programs", () => {
    const sum = { programs: 0, certain: 0, possible: 0, passed: 0 };
    for (const seed of seeds(programs)) {
      const program = generateProgram(new SeededChoices(seed), {
        statements: 12,
        observations: seed % 3 === 0,
        rooms: seed % 4 === 0,
      });
      const count = compare(program, `seed ${seed}`);
      sum.programs++;
      if (count === undefined) continue;
      sum.certain += count.certain;
      sum.possible += count.possible;
      sum.passed += count.passed;
    }
    // The survey must also be useful.
    expect(sum.certain).toBeGreaterThan(sum.possible / 2);
    expect(sum.passed).toBeGreaterThan(sum.programs / 2);
  });

  it("does not treat two unknown values as equal", () => {
    const text = `import { allow, perProcess, policy } from "portcullis";
const odd = perProcess.counter();
export default policy((call) => {
  if (call.name === "write" && call.args.count % 7n < call.args.count % 5n) odd.add();
  return allow;
});`;
    const { program } = loadPolicy("/policy.ts", { architecture: "x86_64", readFile: () => text });
    expect(SurveyView.of(program!)!.call("write")).toMatchObject({ changes: true });
  });

  const policies = readdirSync(`${root}policies`).filter((name) => name.endsWith(".ts") && !name.endsWith(".flow.ts"));
  it.each(policies)("agrees with the split on %s", (name) => {
    for (const architecture of ["x86_64", "aarch64"] as const) {
      const { program } = loadPolicy(`${root}policies/${name}`, { architecture });
      expect(compare(program!, name)).toBeDefined();
    }
  });
});
