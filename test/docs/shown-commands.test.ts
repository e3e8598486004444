/** Every command that README.md and two documents show works, as shown, in a checkout after `make build`; the lists are complete. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { shownCommands } from "./shown-commands.ts";

describe("the documents", () => {
  it("show commands", () => expect(shownCommands.length).toBeGreaterThan(5));

  for (const { command, output, statuses } of shownCommands) {
    it(`show \`${command}\`, which works`, () => {
      const ran = spawnSync("sh", ["-c", command], { encoding: "utf8" });
      expect(statuses, ran.stderr).toContain(ran.status);
      if (output !== "") expect(ran.stdout).toBe(output);
    });
  }

  const listed = (folder: string) =>
    execFileSync("git", ["ls-files", folder], { encoding: "utf8" })
      .split("\n")
      .filter((file) => new RegExp(`^${folder}/[^/]+\\.ts$`).test(file));

  it("list every ready policy", () => {
    const page = readFileSync("docs/policies.md", "utf8");
    const policies = listed("policies").filter((file) => !file.endsWith(".flow.ts"));
    expect(policies.filter((file) => !page.includes(`(../${file})`))).toEqual([]);
  });

  it("list every benchmark", () => {
    const page = readFileSync("CONTRIBUTING.md", "utf8");
    const names = listed("bench").map((file) => file.slice("bench/".length, -".ts".length));
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});
