/** Tests the files that verbs write: what they do not replace, and that they are written whole or not at all. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { writeOutput } from "../../src/cli/output.ts";
import { patience } from "../support/patience.ts";
import { folderOf, portcullis } from "./harness.ts";

const trace = '{"v":1,"kind":"start","tid":7}\n{"v":1,"kind":"call","tid":7,"call":"getpid"}\n';
const policy = `import { allow, calls, deny, policy } from "portcullis";
import { refused } from "./set.ts";
export default policy((call) => (refused.has(call) ? deny("EPERM") : allow));
`;
const files = {
  "a.trace": trace,
  "p.ts": policy,
  "set.ts": 'import { calls } from "portcullis";\nexport const refused = calls("ptrace");\n',
  "p.cases": "main ptrace(0, 0, 0, 0) deny EPERM\n",
};

/** With `bin/portcullis`, by a shell in the folder. */
function shell(folder: string, script: string) {
  const env = { ...process.env, P: resolve("bin/portcullis"), XDG_CACHE_HOME: join(folder, "cache") };
  const ran = spawnSync("bash", ["-c", script], { cwd: folder, encoding: "utf8", env, timeout: patience.command });
  return { status: ran.status, out: ran.stdout, err: ran.stderr };
}

/** Also by other names: `./`, a symbolic link, a hard link. */
function namesOf(folder: string, name: string): string[] {
  symlinkSync(name, join(folder, `soft-${name}`));
  linkSync(join(folder, name), join(folder, `hard-${name}`));
  return [name, `./${name}`, `soft-${name}`, `hard-${name}`].map((one) => `${folder}/${one}`);
}

describe("an output that is an input", () => {
  it.each<[string, string, (output: string, folder: string) => string[]]>([
    ["report", "a.trace", (output, at) => ["report", "-o", output, `${at}/a.trace`]],
    ["report of a policy's cases", "p.cases", (output, at) => ["report", "-o", output, `${at}/p.ts`]],
    ["propose", "a.trace", (output, at) => ["propose", "-q", "-o", output, `${at}/a.trace`]],
    ["flow", "a.trace", (output, at) => ["flow", "-o", output, `${at}/a.trace`]],
    ["compile", "p.ts", (output, at) => ["compile", "-p", `${at}/p.ts`, "-o", output, "--format", "pcl"]],
    ["compile of a module", "set.ts", (output, at) => ["compile", `${at}/p.ts`, "-o", output, "--format", "object"]],
    ["disasm --raw", "p.ts", (output, at) => ["disasm", "--pure", "--raw", output, `${at}/p.ts`]],
    ["test --lcov", "p.cases", (output, at) => ["test", "--lcov", output, `${at}/p.ts`]],
    ["trace merge", "a.trace", (output, at) => ["trace", "merge", "-o", output, `${at}/a.trace`]],
    ["trace cut", "a.trace", (output, at) => ["trace", "cut", "-o", output, `${at}/a.trace`]],
  ])("is refused by %s, whatever its name", async (what, input, argv) => {
    const folder = folderOf(files);
    for (const output of namesOf(folder, input)) {
      const { status, err } = await portcullis(...argv(output, folder));
      const [code, message] = what.startsWith("trace")
        ? ["P0914", "exists"]
        : what === "propose"
          ? ["P0917", "exists, and propose has not written it"]
          : ["P0916", "is also an input"];
      expect({ status, err }).toEqual({
        status: 125,
        err: expect.stringMatching(new RegExp(`error ${code}: .*${message}.*\n {2}help: .*file`)),
      });
      for (const [name, text] of Object.entries(files)) expect(readFileSync(join(folder, name), "utf8")).toBe(text);
    }
  });

  it("is refused as standard input, and as the name of an open file", () => {
    const folder = folderOf(files);
    for (const script of ['"$P" report -o a.trace - <a.trace', '"$P" report -o /dev/stdout a.trace >>a.trace']) {
      expect(shell(folder, script)).toMatchObject({ status: 125, err: expect.stringContaining("error P0916") });
      expect(readFileSync(join(folder, "a.trace"), "utf8")).toBe(trace);
    }
  });

  it("is refused by run --events, also if the cache has the policy", () => {
    const folder = folderOf(files);
    for (const events of ["p.ts", "set.ts", "fd:3"]) {
      for (const start of ["first", "second"]) {
        const ran = shell(folder, `"$P" run -p p.ts --events ${events} -- sh -c 'echo ran' 3>>p.ts`);
        expect({ start, ...ran }).toMatchObject({ status: 125, out: "", err: expect.stringContaining("error P0916") });
        shell(folder, '"$P" run -q -p p.ts -- true');
      }
    }
    for (const [name, text] of Object.entries(files)) expect(readFileSync(join(folder, name), "utf8")).toBe(text);
  });

  it("is accepted if it is a device, or a copy", async () => {
    const folder = folderOf({ ...files, "copy.trace": trace });
    expect((await portcullis("flow", "-o", "/dev/null", join(folder, "a.trace"))).status).toBe(0);
    expect((await portcullis("flow", "-o", join(folder, "copy.trace"), join(folder, "a.trace"))).status).toBe(0);
    expect(readFileSync(join(folder, "copy.trace"), "utf8")).toContain("FlowGraph");
  });
});

describe("propose, on files that are there", () => {
  it("replaces what it has written, and what is empty", async () => {
    const folder = folderOf({ ...files, "own.ts": "" });
    for (const name of ["own.ts", "other", "other"]) {
      expect(await portcullis("propose", "-q", "-o", join(folder, name), join(folder, "a.trace"))).toMatchObject({
        status: 0,
        err: "",
      });
      expect(readFileSync(join(folder, name), "utf8")).toContain("Proposed from 1 recording");
    }
    for (const detail of ["calls", "paths"]) {
      const again = ["propose", "-q", "--detail", detail, "-o", join(folder, "own.ts"), join(folder, "a.trace")];
      expect(await portcullis(...again)).toMatchObject({ status: 0, err: "" });
    }
    expect(readFileSync(join(folder, "own.cases"), "utf8")).toContain("Written by portcullis propose.");
  });

  it("refuses a policy or cases that it has not written, and then writes neither", async () => {
    const folder = folderOf(files);
    const refused = await portcullis("propose", "-q", "-o", join(folder, "p.ts"), join(folder, "a.trace"));
    expect(refused).toMatchObject({
      status: 125,
      err: expect.stringMatching(/error P0917: .*p\.ts exists, and propose/),
    });
    for (const name of ["p.ts", "set.ts"]) writeFileSync(join(folder, name), "");
    const cases = await portcullis("propose", "-q", "-o", join(folder, "p.ts"), join(folder, "a.trace"));
    expect(cases).toMatchObject({
      status: 125,
      err: expect.stringMatching(/error P0917: .*p\.cases exists, and propose/),
    });
    expect(cases.err).toContain("help: another file with -o; or move this one away");
    expect(readFileSync(join(folder, "p.cases"), "utf8")).toBe(files["p.cases"]);
    expect(readFileSync(join(folder, "p.ts"), "utf8")).toBe("");
  });
});

describe("an output", () => {
  const compile = ["compile", "-p", "order", "-o"];

  it.each([
    ["compile", "compile -p order -o out.pcl"],
    ["flow", "flow -o out.pcl a.trace"],
    ["disasm --raw", "disasm --raw out.pcl order"],
    ["test --lcov", "test --lcov out.pcl p.ts"],
    ["report", "report -o out.pcl a.trace"],
  ])("of %s stays as it was if it cannot be written", (_verb, words) => {
    const folder = folderOf({ ...files, "out.pcl": "what was there" });
    const before = readdirSync(folder);
    const ran = shell(folder, `ulimit -f 0; "$P" ${words}`);
    expect(ran).toMatchObject({ status: 125, err: expect.stringContaining("out.pcl cannot be written (EFBIG)") });
    expect(readFileSync(join(folder, "out.pcl"), "utf8")).toBe("what was there");
    expect(readdirSync(folder).filter((name) => name !== "cache")).toEqual(before);
  });

  it("keeps its mode, and is replaced at once", async () => {
    const folder = folderOf({ "o.pcl": "old" });
    const output = join(folder, "o.pcl");
    chmodSync(output, 0o640);
    linkSync(output, join(folder, "former"));
    expect((await portcullis(...compile, output)).status).toBe(0);
    expect(statSync(output).mode & 0o777).toBe(0o640);
    expect(readFileSync(join(folder, "former"), "utf8")).toBe("old");
    expect((await portcullis(...compile, join(folder, "new.pcl"))).status).toBe(0);
    expect(statSync(join(folder, "new.pcl")).mode & 0o777).toBe(0o666 & ~process.umask());
  });

  it("may have the longest name of a file", async () => {
    const folder = folderOf({});
    const name = `${"n".repeat(251)}.pcl`;
    expect((await portcullis(...compile, join(folder, name))).status).toBe(0);
    expect(readdirSync(folder)).toEqual([name]);
  });

  it("is where a symbolic link leads, also if nothing is there", async () => {
    const folder = folderOf({ "there.pcl": "old" });
    mkdirSync(join(folder, "links"));
    for (const [link, target] of [
      ["one.pcl", "../there.pcl"],
      ["two.pcl", "one.pcl"],
      ["absent.pcl", join(folder, "fresh.pcl")],
    ] as const) {
      symlinkSync(target, join(folder, "links", link));
      expect((await portcullis(...compile, join(folder, "links", link))).status).toBe(0);
      expect(readlinkSync(join(folder, "links", link))).toBe(target);
    }
    expect(readFileSync(join(folder, "there.pcl"), "latin1")).not.toBe("old");
    expect(readFileSync(join(folder, "fresh.pcl")).equals(readFileSync(join(folder, "there.pcl")))).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(["fresh.pcl", "links", "there.pcl"]);
  });

  it("may be a fifo, a device, standard output, or an open file of the shell", () => {
    const folder = folderOf({ ...files, kept: "kept" });
    const flow = '"$P" flow a.trace -o';
    const scripts = [
      `mkfifo f; cat f & ${flow} f && wait`,
      `${flow} /dev/stdout`,
      `${flow} /dev/stdout >file && cat file`,
      `${flow} /dev/fd/5 5>&1`,
      `${flow} /dev/fd/5 5>file && cat file`,
      `${flow} >(cat) | cat`,
      `ln -s /dev/stdout here; ${flow} here | cat`,
    ];
    for (const script of scripts) {
      // A pipe, because spawnSync gives a socket, which cannot be opened by a name.
      const { status, out, err } = shell(folder, `set -o pipefail; { ${script}; } | cat`);
      expect({ script, status, err, out }).toEqual({
        script,
        status: 0,
        err: "",
        out: expect.stringContaining("FlowGraph"),
      });
    }
  });

  it("may be a file that is a mount of its own", (context) => {
    const folder = folderOf({ "o.pcl": "a long text that was there".repeat(999) });
    const output = join(folder, "o.pcl");
    const made = spawnSync("mount", ["--bind", output, output]);
    if (made.status !== 0) context.skip("needs root, and mounts");
    try {
      const ran = shell(folder, '"$P" compile -p order -o o.pcl');
      expect(ran).toMatchObject({ status: 0, err: "" });
      expect(shell(folder, '"$P" disasm o.pcl').status).toBe(0);
      expect(readdirSync(folder)).toEqual(["o.pcl"]);
    } finally {
      spawnSync("umount", [output]);
    }
  });

  it("is written in place for a user who may not create a file beside it, and refused if it is read-only", (context) => {
    if (process.geteuid?.() !== 0) context.skip("needs root, to become another user");
    const folder = folderOf({ ...files, "o.pcl": "old", "read-only.pcl": "old" });
    // Whoever has no capabilities is subject to the modes.
    const as = "setpriv --bounding-set -all --inh-caps -all";
    chmodSync(join(folder, "read-only.pcl"), 0o444);
    const readOnly = shell(folder, `${as} "$P" compile -p order -o read-only.pcl`);
    expect(readOnly).toMatchObject({ status: 125, err: expect.stringContaining("cannot be written (EACCES)") });
    expect(readFileSync(join(folder, "read-only.pcl"), "utf8")).toBe("old");
    chmodSync(folder, 0o555);
    expect(shell(folder, `${as} "$P" compile -p order -o o.pcl`)).toMatchObject({ status: 0, err: "" });
    expect(shell(folder, '"$P" disasm o.pcl').status).toBe(0);
    expect(shell(folder, `${as} "$P" compile -p order -o absent.pcl`).err).toContain("cannot be written (EACCES)");
    chmodSync(folder, 0o755);
  });

  it("is not written twice", () => {
    const file = join(folderOf({}), "o.pcl");
    writeOutput(file, "the log", { option: "--verifier-log" });
    expect(() => writeOutput(file, "the bundle", { option: "-o" })).toThrow(
      `the output ${file} is also an output of another option`,
    );
    expect(readFileSync(file, "utf8")).toBe("the log");
  });
});
