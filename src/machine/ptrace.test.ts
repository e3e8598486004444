import { expect, it } from "vitest";
import { callByName } from "../abi/calls.ts";
import { endedByStops } from "./ptrace.ts";

it("knows the calls that a stop ends by the numbers of x86-64", () => {
  for (const [name, number] of Object.entries(endedByStops)) expect(callByName(name)?.number.x86_64).toBe(number);
});
