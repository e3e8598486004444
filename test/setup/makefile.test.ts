/** The Makefile's targets install packages from lists: an undefined list would silently install nothing. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const targets = [...readFileSync("Makefile", "utf8").matchAll(/^([a-z-]+):.*## /gm)].map(([, name]) => name!);

describe("the Makefile", () => {
  it.for(targets)("%s uses no undefined variable", (target) => {
    const env = { ...process.env };
    for (const name of ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"]) delete env[name];
    const ran = spawnSync("make", ["--dry-run", "--warn-undefined-variables", target], { encoding: "utf8", env });
    expect(ran.stderr).toBe("");
    expect(ran.status).toBe(0);
  });
});

describe("tools/busy.sh", () => {
  it("ends its processes with the command, and has its status", () => {
    const list = "ps --ppid $PPID -o pid=,args= | grep -c 'while'; echo $PPID; exit 3";
    const ran = spawnSync("tools/busy.sh", ["2", "sh", "-c", list], { encoding: "utf8" });
    expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 3, stderr: "" });
    const [count, parent] = ran.stdout.trim().split("\n");
    // The shell that lists them has the word in its arguments, too.
    expect(count).toBe("3");
    expect(spawnSync("ps", ["--ppid", parent!]).status).toBe(1);
  });
});
