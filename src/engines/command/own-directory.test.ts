/** Removes what a hostile tree leaves in a directory. */
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeOwnDirectory, removeOwnDirectory } from "./own-directory.ts";

let outside: string;
let own: string;
beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), "portcullis-outside-"));
  mkdirSync(join(outside, "kept"), { mode: 0o755 });
  writeFileSync(join(outside, "kept/file"), "kept");
  own = makeOwnDirectory();
});
afterEach(() => {
  expect(readFileSync(join(outside, "kept/file"), "utf8")).toBe("kept");
  expect(statSync(join(outside, "kept")).mode & 0o777).toBe(0o755);
  rmSync(outside, { recursive: true });
  expect(existsSync(own)).toBe(false);
});

it("removes files, sockets, pipes and directories, and follows no link", () => {
  mkdirSync(join(own, "a/b/c"), { recursive: true });
  writeFileSync(join(own, "a/b/file"), "");
  writeFileSync(join(own, ".hidden\n"), "");
  execFileSync("mkfifo", [join(own, "a/pipe")]);
  for (const at of ["link", "a/link", "a/b/c/link"]) symlinkSync(join(outside, "kept"), join(own, at));
  symlinkSync(own, join(own, "a/loop"));
  removeOwnDirectory(own);
});

it("removes directories without permissions, and what is beside them", () => {
  mkdirSync(join(own, "a/closed/inner"), { recursive: true });
  writeFileSync(join(own, "a/closed/inner/file"), "");
  for (const at of ["a/beside", "z"]) writeFileSync(join(own, at), "");
  for (const at of ["a/closed/inner", "a/closed", "a", "."]) chmodSync(join(own, at), 0);
  removeOwnDirectory(own);
});

it("removes a nesting that is deeper than paths and descriptors", () => {
  execFileSync("/usr/bin/python3", [
    "-c",
    "import os, sys\nos.chdir(sys.argv[1])\nfor n in range(1500): os.mkdir('deep'); os.chdir('deep')\nos.close(os.open('f', os.O_CREAT))",
    own,
  ]);
  removeOwnDirectory(own);
});

it("leads nowhere else while a process replaces directories by links", async () => {
  const racer = spawn(
    "/usr/bin/python3",
    [
      "-c",
      `
import os, sys
own, outside = sys.argv[1:]
os.makedirs(own + "/a/b")
print("begun", flush=True)
n = 0
while n < 2000:
    n += 1
    try:
        os.mkdir(own + "/%d" % n); os.mkdir(own + "/%d/b" % n)
        os.rename(own + "/%d/b" % n, own + "/%d/c" % n); os.symlink(outside, own + "/%d/b" % n)
        os.rename(own + "/%d" % n, own + "/x%d" % n); os.symlink(outside, own + "/%d" % n)
    except FileNotFoundError:
        if not os.path.isdir(own): break
    except OSError: pass
`,
      own,
      join(outside, "kept"),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const closed = new Promise((ended) => racer.once("close", ended));
  try {
    await new Promise((begun) => racer.stdout.once("data", begun));
    removeOwnDirectory(own);
    await closed;
  } finally {
    racer.kill("SIGKILL");
  }
  removeOwnDirectory(own);
});
