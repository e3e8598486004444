/** The ready policy read-only-home: programs work below its directories, and nothing else can be changed. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  cpSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { asUser, copyFor, programFor, reachableFolder, users } from "../support/ordinary-user.ts";
import { patience, until } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";

const place = reachableFolder("home");
const attempts = copyFor(place, "test/policies/victims/write_outside.py");

/** $1: the directory in which the program works; $2: another one with an archive and a repository. */
const programs = {
  "touch new": 'touch "$1/new"',
  "touch by a relative path": 'cd "$1/tree/deep" && touch ../../new',
  "rm -r": 'rm -r "$1/tree"',
  "mkdir -p": 'mkdir -p "$1/a/b/c"',
  "tar x": 'tar -xf "$2/archive.tar" -C "$1/new-tree"',
  "tar c": 'tar -cf "$1/made.tar" -C "$2" tree',
  "cp -a": 'cp -a "$2/tree" "$1/copy"',
  "mv to another directory": 'mv "$1/tree/file" "$1/project/"',
  "sed -i": 'sed -i s/before/after/ "$1/tree/file"',
  "python3 -m venv": '/usr/bin/python3 -m venv "$1/venv"',
  "git clone": 'git clone -q "$2/repository" "$1/clone"',
  "git commit": 'cd "$1/repository" && git mv file moved && git -c user.name=a -c user.email=a@b commit -qm second',
  make: 'make -s -C "$1/project"',
} as const;

const makefile = "program: main.o\n\tcc -o $@ $^\nmain.o: main.c\n\tcc -c $<\n";

/** A directory in which all of these programs have something to do. */
function fill(folder: string): void {
  for (const one of ["tree/deep", "new-tree", "project"]) mkdirSync(join(folder, one), { recursive: true });
  writeFileSync(join(folder, "tree/file"), "as before\n");
  writeFileSync(join(folder, "tree/deep/file"), "as before\n");
  writeFileSync(join(folder, "project/Makefile"), makefile);
  writeFileSync(join(folder, "project/main.c"), "int main(void) { return 0; }\n");
  execFileSync("tar", ["-cf", join(folder, "archive.tar"), "-C", folder, "tree"]);
  const git = (...words: string[]) => execFileSync("git", ["-C", join(folder, "repository"), ...words]);
  mkdirSync(join(folder, "repository"));
  writeFileSync(join(folder, "repository/file"), "as before\n");
  git("init", "-q");
  git("add", "file");
  git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first");
}

/** Every entry with its contents, and with `metadata` its mode, owner and time of change. */
function snapshot(folder: string, metadata: boolean): readonly string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).sort().map((name) => {
    const path = join(folder, name);
    const about = lstatSync(path);
    const text = about.isFile() ? readFileSync(path, "base64") : "";
    return `${name} ${text}${metadata ? ` ${about.mode} ${about.uid} ${about.mtimeMs}` : ""}`;
  });
}

describe.each(users)("as $name", ({ name, uid }) => {
  const folder = join(place, name.replaceAll(" ", "-"));
  const [inside, outside, home] = ["in", "out", "home"].map((one) => join(folder, one)) as [string, string, string];
  const original = join(folder, "original");
  const program = uid === undefined ? [resolve("bin/portcullis")] : programFor(place);
  const options = ["--set", `below=${inside},${inside}-empty`];

  function run(more: readonly string[], command: readonly string[], stdio: readonly (number | "ignore")[] = []) {
    const [file, ...words] = [...program, "run", "-q", "-p", "read-only-home", ...options, ...more, "--", ...command];
    const env = { ...process.env, HOME: home, TMPDIR: join(inside, "temporary"), LANG: "C.UTF-8" };
    const ran = spawnSync(file!, words, {
      encoding: "utf8",
      env,
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe", ...stdio],
      timeout: patience.command,
      killSignal: "SIGKILL",
    });
    const status = statusInShell(ran);
    if (status === 125) throw new Error(ran.stderr);
    return { ...ran, status };
  }

  beforeAll(() => {
    mkdirSync(folder);
    mkdirSync(home);
    mkdirSync(original);
    fill(original);
  });
  beforeEach(() => {
    for (const one of [inside, `${inside}-empty`, outside]) rmSync(one, { recursive: true, force: true });
    cpSync(original, inside, { recursive: true });
    cpSync(original, outside, { recursive: true });
    mkdirSync(join(inside, "temporary"));
    mkdirSync(`${inside}-empty`);
    writeFileSync(join(outside, "file"), "as before");
    for (const one of ["folder", "lowerdir", "upperdir", "workdir"]) mkdirSync(join(outside, one));
    if (uid !== undefined) execFileSync("chown", ["-R", `${uid}:${uid}`, folder]);
  });

  it.each(Object.entries(programs))("%s works below the directories, and changes nothing elsewhere", (_, script) => {
    const work = (where: string) => run([], ["sh", "-c", script, "sh", where, original]);
    const before = snapshot(inside, true);
    expect(work(inside)).toMatchObject({ status: 0, stderr: "" });
    expect(snapshot(inside, true)).not.toEqual(before);
    const [untouched, other] = [snapshot(outside, true), snapshot(original, true)];
    expect(work(outside).status).not.toBe(0);
    expect(snapshot(outside, true)).toEqual(untouched);
    expect(snapshot(original, true)).toEqual(other);
  });

  describe("no attempt reaches outside,", () => {
    let other: ChildProcess;
    /** Descriptors 7 and 8 of the command. */
    let descriptors: readonly number[] = [];
    beforeEach(async () => {
      const script = 'cd "$0" && exec 9>>file && exec sleep 100000';
      const words = ["sh", "-c", script, outside];
      const [file, ...rest] = uid === undefined ? words : asUser(uid, ...words);
      other = spawn(file!, rest, { stdio: "ignore" });
      await until("the process outside", () => readFileSync(`/proc/${other.pid}/comm`, "utf8") === "sleep\n");
      descriptors = [openSync(outside, "r"), openSync(join(outside, "file"), "r")];
      return () => {
        other.kill("SIGKILL");
        for (const one of descriptors) closeSync(one);
      };
    });

    function attack(...more: string[]): Map<string, string[]> {
      const command = ["/usr/bin/python3", attempts, inside, outside, `${other.pid}`];
      const ran = run(more, command, ["ignore", "ignore", "ignore", "ignore", ...descriptors]);
      expect(ran).toMatchObject({ status: 0, stderr: "" });
      const [, ...parts] = ran.stdout.split("# ").map((part) => part.trim().split("\n"));
      return new Map(parts.map(([heading, ...lines]) => [heading!, lines]));
    }

    const isRefused = / (Permission denied|Operation not permitted)$/;
    const refusedOtherwise = [
      // Landlock's answer to a link that would give a file more rights.
      "link to outside Invalid cross-device link",
      "link by a descriptor's name Invalid cross-device link",
      "ring Function not implemented",
    ];

    it("and metadata can be changed everywhere", () => {
      const before = snapshot(outside, false);
      const lines = attack();
      expect(lines.get("inside")!.filter((line) => !line.endsWith(" ok"))).toEqual([]);
      expect(lines.get("outside")!.length).toBeGreaterThan(60);
      expect(lines.get("outside")!.filter((line) => !isRefused.test(line))).toEqual(refusedOtherwise);
      expect(lines.get("metadata")!.filter((line) => !/ (ok|Operation not supported)$/.test(line))).toEqual([]);
      expect(snapshot(outside, false)).toEqual(before);
      expect(readdirSync(inside)).not.toContain("device");
    });

    it("nor can metadata be changed with metadata=false", () => {
      const before = snapshot(outside, true);
      const lines = attack("--set", "metadata=false");
      expect(lines.get("inside")!.filter((line) => !line.endsWith(" ok"))).toEqual([]);
      expect(lines.get("outside")!.filter((line) => !isRefused.test(line))).toEqual(refusedOtherwise);
      expect(lines.get("metadata")!.filter((line) => !line.endsWith(" Operation not permitted"))).toEqual([]);
      expect(lines.get("metadata")!.length).toBeGreaterThan(10);
      expect(snapshot(outside, true)).toEqual(before);
    });
  });
});
