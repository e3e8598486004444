import { expect, test } from "vitest";
import { type Limited, privateFull, processesReached } from "./reached-limits.ts";

const policy = {
  description: { settings: [{ name: "most", kind: "integer", value: "16", most: "100" }] },
  objects: [
    {
      ...{ files: [], ports: [], scopes: [] },
      rules: [
        { is: "private", path: "/home/me", optional: false },
        { is: "private", path: "/tmp", optional: false },
        { is: "processes", most: 16, setting: "most" },
        { is: "private-size", most: 1024 },
      ],
    },
  ],
} as const satisfies Limited;

test("a limit that comes from a parameter is said with a higher value", () => {
  expect(processesReached(policy, 16)).toBe(
    "the tree had as many processes and threads as `limits.processes` permits (16): making another one fails with EAGAIN; to permit more: --set most=32",
  );
});

test("a directory is named by its number, and a constant has no option", () => {
  const text = "of the tree was full (`limits.privateSize`): writing more fails with ENOSPC";
  expect(privateFull(policy, 1)).toBe(`/tmp ${text}`);
  expect(privateFull(undefined, 1)).toBe(`a private directory ${text}`);
  expect(processesReached(undefined, 3)).not.toContain("--set");
});
