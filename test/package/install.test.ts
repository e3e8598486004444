/**
 * Tests `make install`: the command, its manual pages and the completions of three shells, for every user of a machine.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type VerbName, verbs } from "../../src/cli/entry/verbs.ts";
import { asUser, copyFor, isReachable, ordinaryUser, reachableFolder } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";

const folder = reachableFolder("install");
const prefix = join(folder, "a prefix/ü");
const program = join(prefix, "bin/portcullis");
let node = process.execPath;

/** Installs as root with a strict umask. */
function install(...settings: string[]) {
  return spawnSync("sh", ["-c", 'umask 077; make -s install "$@"', "sh", ...settings], { encoding: "utf8" });
}

/** Runs the command as an ordinary user: another user if the tests run as root. */
function asOrdinary(...words: string[]) {
  const [file, ...rest] = process.getuid?.() === 0 ? asUser(ordinaryUser, ...words) : words;
  const env = {
    PATH: `${dirname(node)}:${process.env["PATH"]}`,
    HOME: "/nonexistent",
    LANG: "C.UTF-8",
    MANWIDTH: "80",
  };
  return spawnSync(file!, rest, { encoding: "utf8", cwd: "/", env, timeout: patience.command, killSignal: "SIGKILL" });
}

beforeAll(() => {
  if (!isReachable(node)) node = copyFor(folder, node);
  expect(install(`PREFIX=${prefix}`)).toMatchObject({ status: 0, stdout: "", stderr: "" });
});

describe("make install", () => {
  it("installs a command that works for every user", () => {
    const ran = asOrdinary(program, "run", "-q", "-p", "exec-once", "--", "/bin/echo", "hello");
    expect(ran).toMatchObject({ status: 0, stdout: "hello\n", stderr: "" });
    const shell = asOrdinary(`${program}-script-shell`, "-c", "true");
    expect(shell).toMatchObject({ status: 125 });
    expect(shell.stderr).toContain("error P0911: /nonexistent/.cache/portcullis/scripts/");
    expect(asOrdinary(program, "check", "nginx")).toMatchObject({ status: 0, stderr: "" });
    expect(asOrdinary(program, "doctor").stdout).toContain("engine notify: a command runs under a classic filter");
    expect(asOrdinary(program, "tsconfig").stdout).toContain(join(prefix, "lib/portcullis/policy.json"));
  });

  it("installs only files that others can read and cannot write", () => {
    const closed = readdirSync(prefix, { recursive: true })
      .map((name) => join(prefix, String(name)))
      .filter((path) => ((statSync(path).mode & 0o777) | (statSync(path).isDirectory() ? 0 : 0o111)) !== 0o755);
    expect(closed).toEqual([]);
  });

  it("installs over an older one", () => {
    expect(install(`PREFIX=${prefix}`)).toMatchObject({ status: 0, stderr: "" });
    expect(asOrdinary(program, "--version").status).toBe(0);
  });

  it("stages below DESTDIR files that work at their final location", () => {
    const stage = join(folder, "stage");
    expect(install(`DESTDIR=${stage}`, "PREFIX=/opt/portcullis")).toMatchObject({ status: 0, stderr: "" });
    expect(readdirSync(stage)).toEqual(["opt"]);
    // No file contains the staging path.
    const moved = join(folder, "moved");
    mkdirSync(moved);
    execFileSync("mv", [join(stage, "opt/portcullis"), moved]);
    expect(asOrdinary(join(moved, "portcullis/bin/portcullis"), "check", "nginx")).toMatchObject({
      status: 0,
      stderr: "",
    });
    expect(spawnSync("grep", ["-rlF", stage, moved], { encoding: "utf8" }).stdout).toBe("");
  });

  it("refuses a relative PREFIX", () => {
    const ran = install("PREFIX=usr");
    expect(ran.status).not.toBe(0);
    expect(ran.stderr).toContain("portcullis cannot be installed: PREFIX is not an absolute path");
  });

  it("installs completions in each shell's path", () => {
    const share = join(prefix, "share");
    const loads = (...words: string[]) => expect(asOrdinary(...words)).toMatchObject({ status: 0, stderr: "" });
    loads(
      "bash",
      "--norc",
      "-c",
      '. "$1" && complete -p portcullis',
      "bash",
      `${share}/bash-completion/completions/portcullis`,
    );
    loads("fish", "--no-config", "-n", `${share}/fish/vendor_completions.d/portcullis.fish`);
    const zsh =
      "fpath=($1); autoload -Uz _portcullis && autoload +X _portcullis && [[ $1/_portcullis -nt / || -r $1/_portcullis ]]";
    loads("zsh", "-f", "-c", zsh, "zsh", `${share}/zsh/site-functions`);
  });
});

describe("the manual pages", () => {
  const pages = ["portcullis", ...Object.keys(verbs).map((name) => `portcullis-${name}`)];
  const file = (page: string) => join(prefix, "share/man/man1", `${page}.1`);

  it("are listed in package.json, so that npm install --global installs them", () => {
    const { man } = JSON.parse(readFileSync("package.json", "utf8")) as { readonly man: string[] };
    expect(man).toEqual(pages.map((page) => `dist/man/${page}.1`));
    expect(readdirSync(dirname(file("portcullis"))).sort()).toEqual(pages.map((page) => `${page}.1`).sort());
  });

  it.for(pages)("%s(1) renders without a warning, and has the text of --help", async (page, context) => {
    if (spawnSync("groff", ["--version"]).error !== undefined) context.skip("groff is not installed");
    const ran = asOrdinary("groff", "-ww", "-man", "-Tutf8", "-P-cbou", "-rLL=2000n", file(page));
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    // Every word, except for the beginnings.
    const words = (text: string) => new Set(text.split(/\s+/));
    const set = words(ran.stdout);
    const name = page.split("-")[1] as VerbName | undefined;
    const help = asOrdinary(program, "help", ...(name === undefined ? [] : [name])).stdout;
    const [, ...sections] =
      name === undefined ? help.split(/\nUSAGE\n|\nVERBS\n[\s\S]*\n(?=FIRST)/) : help.split(/\nSYNOPSIS\n/);
    expect([...words(sections.join("\n"))].filter((word) => word !== "" && !set.has(word))).toEqual([]);
  });

  it("are found by man", (context) => {
    if (spawnSync("man", ["--version"]).error !== undefined) context.skip("man is not installed");
    const ran = asOrdinary("man", "--warnings", "-M", join(prefix, "share/man"), "portcullis-run");
    if (ran.stdout.includes("has been minimized")) context.skip("man is not installed: this system is minimized");
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toContain("portcullis run [OPTIONS] -p POLICY [--] COMMAND [ARGUMENT…]");
  });
});
