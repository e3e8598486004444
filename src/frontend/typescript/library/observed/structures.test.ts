/** Structures behind pointers: the bytes of their fields, and mistakes. */
import { expect, it } from "vitest";
import { conditionOn, faults, reads } from "../../../testing/compiled.ts";

const how = "observation 0 how: struct open_how of 24 to 24 bytes of openat2(2, length 3)";
const cloneArguments = "observation 0 uargs: struct clone_args of 64 to 88 bytes of clone3(0, length 1)";

it.each([
  ["openat2", 'how.flags.has("O_CREAT", "O_EXCL")', [how, "0"], "(%how.0 & 64) == 64 and (%how.0 & 128) == 128"],
  ["openat2", "how.mode === 0n", [how, "8"], "%how.0 == 0"],
  ["openat2", 'how.resolve.hasAny("RESOLVE_BENEATH")', [how, "16"], "(%how.0 & 8) == 8"],
  ["clone3", "uargs.exit_signal === 17n", [cloneArguments, "32"], "%uargs.0 == 17"],
])("%s: %s", (call, condition, [observation, offset], test) => {
  const [seen, word, condition_] = reads(call, `call.args.${condition}`);
  expect(seen).toBe(observation);
  expect(word).toMatch(new RegExp(`^word 0 %\\w+\\.0 8 bytes at ${offset}$`));
  expect(condition_).toBe(`if (number == ${call} and ${test})`);
});

it.each([
  ["how.flag.has(`O_CREAT`)", "4:15 P0106 an OpenHow has no `flag` → did you mean `flags`?"],
  ["how.flags.has(`O_CRAT`)", '4:25 P0104 `flags` has no value named "O_CRAT" → did you mean "O_CREAT"?'],
  ["how.flags.has()", '4:1 P0212 `.has()` names no value → name at least one: `.has("…")`'],
  ["how.mode === -1n", "4:1 P0204"],
])("a fault: %s", (condition, fault) => {
  expect(faults(conditionOn("openat2", `call.args.${condition}`))).toEqual([
    expect.stringContaining(`policy.ts:${fault}`),
  ]);
});
