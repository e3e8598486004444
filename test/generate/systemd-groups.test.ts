import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { groups } from "../../src/abi/groups.ts";
import { groupDifferences, readSystemdGroups, systemdList } from "../../tools/generate/systemd.ts";

const text = readFileSync(systemdList, "utf8");

describe("systemd's groups", () => {
  it("are those that systemd 257 prints", (context) => {
    const ran = spawnSync("systemd-analyze", ["--version"], { encoding: "utf8" });
    const version = ran.stdout?.match(/^systemd (\d+)/)?.[1];
    if (version !== "257")
      context.skip(`systemd-analyze is ${version === undefined ? "missing" : `of systemd ${version}`}`);
    const printed = spawnSync("systemd-analyze", ["syscall-filter", "--no-pager"], { encoding: "utf8" }).stdout;
    const found = new Map<string, string[]>();
    let members: string[] = [];
    for (const line of printed.split("\n")) {
      if (line.startsWith("@")) {
        members = [];
        found.set(line.trim(), members);
      } else if (/^ {4}[@a-z_]/.test(line)) members.push(line.trim());
      else if (line.startsWith("#")) members = []; // calls after a comment have no group
    }
    found.delete("@known");
    expect(new Map([...found].sort())).toEqual(new Map([...readSystemdGroups(text)].sort()));
  });

  it("differ from ours as stated, with a reason for each call", () => {
    const differences = groupDifferences(text);
    expect(differences.map(({ group }) => group)).toEqual([
      "@default",
      "@file-system",
      "@io-event",
      "@process",
      "@aio",
      "@ipc",
      "@setuid",
      "@debug",
      "@mount",
      "@privileged",
      "@obsolete",
      "@system-service",
    ]);
    for (const { group, more, less, reasons } of differences) {
      for (const call of [...more, ...less]) expect(reasons.join(" "), group).toMatch(new RegExp(`\\b${call}\\b`));
    }
    expect(differences.find(({ group }) => group === "@file-system")?.less).toEqual([]);
  });

  it("make the generator fail if a difference has no reason, or a reason no difference", () => {
    const without = (group: string, call: string) =>
      text.replace(new RegExp(`^${group} .*$`, "m"), (line) => line.replace(` ${call}`, ""));
    expect(() => groupDifferences(without("@swap", "swapon"))).toThrow("@swap differs from systemd's in swapon");
    const added = text.replace(/^@file-system .*$/m, (line) => `${line} umask`);
    expect(() => groupDifferences(added)).not.toThrow();
    expect(() => groupDifferences(text.replace(/^@setuid .*$/m, (line) => `${line} setfsgid setfsuid`))).toThrow(
      "@setuid is systemd's own",
    );
  });

  it("contain the calls that a user of systemd expects", () => {
    expect(groups().get("@file-system")).toContain("close");
    expect(groups().get("@system-service")).toContain("name_to_handle_at");
    for (const call of ["mincore", "cachestat", "memfd_secret", "process_mrelease", "lsm_set_self_attr"]) {
      expect([...groups()].filter(([, members]) => members.includes(call)).map(([name]) => name)).toEqual([]);
    }
  });
});
