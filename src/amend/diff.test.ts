import { describe, expect, it } from "vitest";
import { addedLines, unifiedDiff } from "./diff.ts";

const lines = (...list: readonly (string | number)[]) => list.map((one) => `${one}\n`).join("");

describe("unifiedDiff", () => {
  it("has three lines around each change, and joins near ones", () => {
    const before = lines(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18);
    const after = lines(1, 2, "a", 3, 4, 5, 6, 7, "b", 9, 10, 11, 12, 13, 14, 15, 16, 17, "c", 18);
    expect(unifiedDiff("p.ts", before, after)).toBe(
      lines(
        ...["--- p.ts", "+++ p.ts", "@@ -1,11 +1,12 @@", " 1", " 2", "+a", " 3", " 4", " 5", " 6", " 7", "-8", "+b"],
        ...[" 9", " 10", " 11", "@@ -15,4 +16,5 @@", " 15", " 16", " 17", "+c", " 18"],
      ),
    );
  });

  it("of a new file, of equal texts, and of a text without a line end", () => {
    expect(unifiedDiff("a", undefined, "x\n")).toBe(lines("--- /dev/null", "+++ a", "@@ -0,0 +1,1 @@", "+x"));
    expect(unifiedDiff("a", "x\n", "x\n")).toBe("");
    expect(unifiedDiff("a", "x", "x\ny")).toBe(
      lines(
        ...["--- a", "+++ a", "@@ -1,1 +1,2 @@", "-x", "\\ No newline at end of file"],
        ...["+x", "+y", "\\ No newline at end of file"],
      ),
    );
    expect(addedLines("x\n", "x\r\ny\n")).toEqual(["x", "y"]);
  });
});
