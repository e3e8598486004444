/** The Makefile's targets install packages from lists: an undefined list would silently install nothing. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { names } from "../support/parts.ts";

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

it("test-all runs each part", () => {
  const [, given = ""] =
    /^\tPORTCULLIS_FUZZ_SEED=\S+ PORTCULLIS_PARTS=(\S+) npm test/m.exec(readFileSync("Makefile", "utf8")) ?? [];
  expect(given.split(",")).toEqual([...names]);
});

/** `make check` on a new machine has these packages only, and `make test` runs where all are installed. */
it("the analysis of C reads the headers of CHECK_PACKAGES only", (context) => {
  const run = (command: string, ...words: string[]): string => {
    const { stdout, stderr, status } = spawnSync(command, words, { encoding: "utf8", maxBuffer: 1 << 28 });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    return stdout;
  };
  const variable = (file: string, name: string): string[] =>
    run("make", "-s", "-f", file, "--eval", `print-it: ; @echo $(${name})`, "print-it").trim().split(/\s+/);
  if (spawnSync("dpkg-query", ["--version"]).status !== 0) context.skip("needs Debian's dpkg-query");
  const sources = variable("tools/analyse.mk", "SOURCES").filter((file) => !file.startsWith("kernel/criu/"));
  const rules = run("gcc", "-M", "-Inode_modules/node-api-headers/include", ...sources);
  const headers = new Set(rules.match(/\/usr\/include\/[^\s\\]+/g));
  const owners = run("dpkg-query", "-S", ...headers)
    .trim()
    .split("\n");
  const packages = new Set(
    owners.flatMap((line) => line.split(": ")[0]!.split(", ")).map((name) => name.split(":")[0]!),
  );
  const installed = [...variable("Makefile", "CHECK_PACKAGES"), "linux-libc-dev"]; // libc6-dev depends on it
  expect([...packages].filter((name) => !installed.includes(name))).toEqual([]);
  expect(packages).toContain("libseccomp-dev");
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

describe("tools/build.mjs", () => {
  it("names the command that compiles the C programs if they are missing, and writes nothing", () => {
    const cwd = mkdtempSync(join(tmpdir(), "portcullis-build-"));
    try {
      const ran = spawnSync(process.execPath, [resolve("tools/build.mjs")], { cwd, encoding: "utf8" });
      expect(ran.stderr).toMatch(/^dist\/native\/\w+\/launcher is missing: `make build` .*\n$/);
      expect(ran.status).toBe(1);
      expect(readdirSync(cwd)).toEqual([]);
    } finally {
      rmSync(cwd, { recursive: true });
    }
  });
});
