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
