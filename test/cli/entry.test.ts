/** Tests bin/portcullis, the shell script that finds the package and starts Node. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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

test("reports that node is missing, with status 125", () => {
  const ran = spawnSync(join(root, "bin/portcullis"), { encoding: "utf8", env: { PATH: "/nonexistent" } });
  expect(ran.status).toBe(125);
  expect(ran.stderr).toBe("portcullis: node is not in $PATH\n  help: install Node 20.19 or newer\n");
});
