import { describe, expect, it } from "vitest";
import { Reporter } from "../../source/reporter.ts";
import { faultsOf } from "../../testing/compiled.ts";
import { Parameters } from "./parameters.ts";

const all = { includes: () => true };

it.each([
  [[], "it has no parameters: leave out --set"],
  [["least"], "it has least"],
  [["most", "on"], "--set most=…"],
])("a value for a parameter that is not there: of %j", (declared, help) => {
  const parameters = new Parameters(new Map([["mots", "3"]]));
  for (const name of declared) parameters.take(name, "integer", "1", undefined);
  const reporter = new Reporter();
  parameters.reportUnused(reporter, undefined);
  expect(faultsOf(reporter)).toEqual([`P0112 the policy has no parameter "mots" → ${help}`]);
});

describe("a parameter", () => {
  it("that two places declare is declared once, as at the first", () => {
    const parameters = new Parameters(new Map());
    parameters.take("most", "integer", "1", undefined);
    parameters.take("most", "integer", "2", undefined);
    expect(parameters.declared).toEqual([{ name: "most", kind: "integer", default: "1", value: "1", open: false }]);
  });

  it("with a given value does not stay open", () => {
    const parameters = new Parameters(new Map([["most", "3"]]), { ...all, assumed: false });
    expect([parameters.staysOpen("most"), parameters.staysOpen("on")]).toEqual([false, true]);
    expect(new Parameters(new Map()).staysOpen("on")).toBe(false);
  });

  it("without a value and a default is assumed only if that is asked for", () => {
    const take = (assumed: boolean) =>
      new Parameters(new Map(), { ...all, assumed }).take("most", "integer", undefined, "1");
    expect([take(true), take(false)]).toEqual(["1", undefined]);
    const withDefault = new Parameters(new Map(), { ...all, assumed: true }).take("most", "integer", "9", "1");
    expect(withDefault).toBeUndefined();
  });
});
