/** Every command that the README shows works, as it is shown, in a checkout after `make build`. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const text = readFileSync("README.md", "utf8");

interface Shown {
  readonly command: string;
  /** What the README prints below it; nothing where it leaves that out. */
  readonly output: string;
}

const shown: readonly Shown[] = [...text.matchAll(/```console\n([\s\S]*?)```/g)].flatMap((block) =>
  block[1]!
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command, ...output] = part.split("\n");
      return { command: command!, output: output.join("\n") };
    }),
);

describe("the README", () => {
  it("shows commands", () => expect(shown.length).toBeGreaterThan(5));

  for (const { command, output } of shown) {
    it(`shows \`${command}\`, which works`, () => {
      const ran = spawnSync("sh", ["-c", command], { encoding: "utf8" });
      // `why` says by its status, too, that a call would be refused.
      expect(command.includes(" why ") ? [0, 1] : [0], ran.stderr).toContain(ran.status);
      if (output !== "") expect(ran.stdout).toBe(output);
    });
  }

  it("links to files that are there", () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((match) => match[1]!);
    expect(links.filter((link) => !existsSync(link))).toEqual([]);
  });

  it("lists every ready policy, and every benchmark", () => {
    const listed = (folder: string, skip: RegExp) =>
      execFileSync("git", ["ls-files", folder], { encoding: "utf8" })
        .split("\n")
        .filter((file) => new RegExp(`^${folder}/[^/]+\\.ts$`).test(file) && !skip.test(file));
    expect(listed("policies", /\.flow\.ts$/).filter((file) => !text.includes(`(${file})`))).toEqual([]);
    const names = listed("bench", /^$/).map((file) => file.slice("bench/".length, -".ts".length));
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});
