import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { stayOnProcessor } from "./processor.ts";

/** Cpus_allowed_list of proc_pid_status(5), such as 0-1,4. */
function permitted(): readonly number[] {
  const [, list = ""] = /^Cpus_allowed_list:\s+(.*)$/m.exec(readFileSync("/proc/thread-self/status", "latin1")) ?? [];
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

it("keeps the thread on one of the processors that it may use", () => {
  const before = permitted();
  expect(stayOnProcessor(before.length + 1)).toBe(true);
  const chosen = before[1 % before.length]!;
  expect(permitted()).toEqual([chosen]);
  expect(stayOnProcessor(7)).toBe(true);
  expect(permitted()).toEqual([chosen]);
});
