/** Tests bin/portcullis, the shell script that finds the package and starts Node. */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder = "";
/** A package whose Node entry prints its location and its arguments. */
let root = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-entry-"));
  root = join(folder, "öffentlich $HOME `x`\n");
  mkdirSync(join(root, "bin"), { recursive: true });
  cpSync("bin/portcullis", join(root, "bin/portcullis"));
  writeFileSync(
    join(root, "bin/portcullis.cjs"),
    "console.log(JSON.stringify([__dirname, ...process.argv.slice(2)])); process.exitCode = 3;",
  );
  mkdirSync(join(folder, "links/deeper"), { recursive: true });
  symlinkSync(root, join(folder, "links/package"));
  symlinkSync("../package/bin/portcullis", join(folder, "links/deeper/relative"));
  symlinkSync(join(root, "bin/portcullis"), join(folder, "links/absolute"));
  symlinkSync("deeper/relative", join(folder, "links/ends with a newline\n"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const words = ["run", "", "a  b", "*", "ä\n", "-n", "$HOME"];
const starts = (command: string, cwd: string, path = process.env["PATH"]) => {
  const ran = spawnSync(command, words, { cwd, encoding: "utf8", env: { ...process.env, PATH: path } });
  expect(ran).toMatchObject({ status: 3, stderr: "" });
  expect(JSON.parse(ran.stdout)).toEqual([join(root, "bin"), ...words]);
};

test.each(["bin/portcullis", "./bin/portcullis", "bin/../bin/portcullis"])("starts as %s", (name) =>
  starts(name, root),
);

test.each(["absolute", "deeper/relative", "ends with a newline\n", "package/bin/portcullis"])(
  "starts through the symbolic link %j",
  (name) => {
    starts(join(folder, "links", name), "/");
    starts(`./${name}`, join(folder, "links"));
  },
);

test("starts from $PATH, by an absolute and a relative entry", () => {
  const path = process.env["PATH"] ?? "";
  starts("portcullis", "/", [join(root, "bin"), path].join(delimiter));
  starts("absolute", join(folder, "links"), [".", path].join(delimiter));
});

test.each([
  ["node_modules/portcullis", "node_modules/.bin/portcullis", "../portcullis"],
  ["lib/node_modules/portcullis", "bin/portcullis", "../lib/node_modules/portcullis"],
  ["lib/portcullis", "bin/started", "../lib/portcullis"],
])("follows the link of an installation to %s without another program", (to, link, target) => {
  const prefix = mkdtempSync(join(folder, "prefix-"));
  mkdirSync(join(prefix, to, ".."), { recursive: true });
  mkdirSync(join(prefix, link, ".."), { recursive: true });
  cpSync(root, join(prefix, to), { recursive: true });
  symlinkSync(`${target}/bin/portcullis`, join(prefix, link));
  // Only Node is in $PATH, and no readlink.
  mkdirSync(join(prefix, "programs"));
  symlinkSync(process.execPath, join(prefix, "programs/node"));
  for (const [command, cwd] of [
    [join(prefix, link), "/"],
    [`./${link}`, prefix],
  ] as const) {
    const env = { ...process.env, PATH: join(prefix, "programs") };
    const ran = spawnSync(command, words, { cwd, encoding: "utf8", env });
    expect(ran).toMatchObject({ status: 3, stderr: "" });
    expect(JSON.parse(ran.stdout)).toEqual([join(prefix, to, "bin"), ...words]);
  }
});

test("exits with 125 if the shell cannot make a process", (context) => {
  if (process.geteuid?.() !== 0) context.skip("needs root, to become a user with a limit of processes");
  chmodSync(folder, 0o755);
  const as = ["--reuid=54321", "--clear-groups", "prlimit", "--nproc=1", join(folder, "links/absolute"), "check"];
  const ran = spawnSync("setpriv", as, { encoding: "utf8" });
  expect({ status: ran.status, err: ran.stderr }).toEqual({ status: 125, err: expect.stringMatching(/fork/i) });
});

test.each([["check", "children"], ["explain", "order"], ["--version"], ["run", "--help"]])(
  "exits with 125 if standard output is closed: %s %s",
  (...argv) => {
    const close = (redirections: string) => `bin/portcullis ${argv.join(" ")} ${redirections}`;
    for (const redirections of [">&-", "<&- >&-"]) {
      const ran = spawnSync("sh", ["-c", close(redirections)], { encoding: "utf8" });
      expect({ redirections, status: ran.status, err: ran.stderr }).toEqual({
        redirections,
        status: 125,
        err: "error P0901: standard output cannot be written: it is not open for writing\n",
      });
    }
  },
);

test("needs no standard output where it prints nothing, and gives the command none", () => {
  const ran = (line: string) => spawnSync("sh", ["-c", line], { encoding: "utf8" });
  expect(ran("bin/portcullis check --quiet children >&-")).toMatchObject({ status: 0, stderr: "" });
  expect(ran("bin/portcullis run -q -p order -- sh -c '[ ! -e /proc/self/fd/1 ]' >&-")).toMatchObject({ status: 0 });
});

test("reports that node is missing, with status 125", () => {
  const ran = spawnSync(join(root, "bin/portcullis"), { encoding: "utf8", env: { PATH: "/nonexistent" } });
  expect(ran.status).toBe(125);
  expect(ran.stderr).toBe("portcullis: node is not in $PATH\n  help: install Node 20.19 or newer\n");
});
