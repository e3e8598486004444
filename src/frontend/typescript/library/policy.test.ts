import { expect, it } from "vitest";
import { faults } from "../../testing/compiled.ts";

it.each([
  ["policy(5n)", "2:18 P0207 the step is a function, not an integer → policy((call) => { … })"],
  ["policy()", "2:11 P0212 a policy takes optional settings and its step → policy((call) => allow)"],
  [
    "policy({ extends: 5n }, (call) => allow)",
    "2:29 P0207 `extends` is a list of policies, not an integer → extends: [base]",
  ],
  [
    "policy({ extends: [make] }, (call) => allow)",
    "2:29 P0207 `extends` is a list of policies, and one element is a function → call it: it returns a policy",
  ],
  [
    "policy({ lists: { entries: 0n } }, (call) => allow)",
    "2:38 P0213 `entries` of the bounds of argument lists is 1 to 1024, and this is 0",
  ],
  [
    "policy({ lits: {} }, (call) => allow)",
    "2:20 P0106 the settings of a policy have no `lits` → did you mean `lists`?",
  ],
])("a fault of a policy's declaration: %s", (declaration, fault) => {
  const head = `const p = ${declaration}; function make(): Policy { return policy((call) => allow); }`;
  expect(faults("return allow;", { head })).toEqual([`policy.ts:${fault}`]);
});

it("oci takes an imported profile", () => {
  expect(faults("return allow;", { head: 'import { oci } from "portcullis"; const p = oci(5n);' })).toEqual([
    'policy.ts:2:49 P0207 `oci` takes a profile that is imported as JSON → import profile from "./seccomp.json" with { type: "json" }',
  ]);
});
