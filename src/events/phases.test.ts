import { expect, test } from "vitest";
import { phasesToShow } from "./phases.ts";

test("of a policy with roles, the phase of the process's role is shown", () => {
  const phases = { role: "access-log", mainPhase: "starting", accessLogPhase: "running", mode: "open" };
  expect(phasesToShow(phases)).toEqual([
    ["role", "access-log"],
    ["accessLogPhase", "running"],
    ["mode", "open"],
  ]);
  expect(phasesToShow({ role: "helper", mainPhase: "starting" })).toEqual([["role", "helper"]]);
});

test("of a policy without roles, all phases are shown", () => {
  const phases = { phase: "serving", otherPhase: "open" };
  expect(phasesToShow(phases)).toEqual(Object.entries(phases));
});
