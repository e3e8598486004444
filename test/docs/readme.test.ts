/** Every command that the README shows works, as it is shown, in a checkout after `make build`. */
import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { readme, shownCommands } from "./readme.ts";

describe("the README", () => {
  it("shows commands", () => expect(shownCommands.length).toBeGreaterThan(5));

  for (const { command, output, statuses } of shownCommands) {
    it(`shows \`${command}\`, which works`, () => {
      const ran = spawnSync("sh", ["-c", command], { encoding: "utf8" });
      expect(statuses, ran.stderr).toContain(ran.status);
      if (output !== "") expect(ran.stdout).toBe(output);
    });
  }

  it("shows an entry point for containers that starts the command", () => {
    const words = [...readme.matchAll(/^(?:ENTRYPOINT|CMD) (\[.*\])$/gm)].flatMap(
      ([, list]) => JSON.parse(list!) as string[],
    );
    expect(words[0]).toBe("portcullis");
    const ran = spawnSync("bin/portcullis", words.slice(1), { encoding: "utf8" });
    expect(ran.stderr).toBe("");
    expect(ran.stdout).toMatch(/^Redis server v=/);
  });

  it("lists every ready policy, and every benchmark", () => {
    const listed = (folder: string, skip: RegExp) =>
      execFileSync("git", ["ls-files", folder], { encoding: "utf8" })
        .split("\n")
        .filter((file) => new RegExp(`^${folder}/[^/]+\\.ts$`).test(file) && !skip.test(file));
    expect(listed("policies", /\.flow\.ts$/).filter((file) => !readme.includes(`(${file})`))).toEqual([]);
    const names = listed("bench", /^$/).map((file) => file.slice("bench/".length, -".ts".length));
    expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });
});
