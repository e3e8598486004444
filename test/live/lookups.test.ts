/**
 * Calls that fail by their path, under a policy that reads every path: the supervisor itself gives a certain errno
 * (native/addon/failing.c). It is the kernel's errno, also after a program has changed its rights.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { asUser, ordinaryUser, reachableFolder } from "../support/ordinary-user.ts";
import { portcullis } from "../support/run.ts";
import { pinEverything } from "./pinned-policy.ts";
import { prepare, users, victim } from "./run.ts";

const place = reachableFolder("lookups");
const folder = join(place, "within");
const policy = join(place, "policy.ts");

beforeAll(async () => {
  await prepare();
  for (const each of ["", "directory", "directory/inner", "closed"]) mkdirSync(join(folder, each), { recursive: true });
  for (const each of ["file", "closed/file", "directory/file"]) writeFileSync(join(folder, each), each);
  const links = {
    link: "file",
    "to-directory": "directory",
    dangling: "missing",
    loop: "loop",
    absolute: join(folder, "file"),
    "absolute-missing": "/missing/at/all",
    "to-own": "/proc/self",
  };
  for (const [name, to] of Object.entries(links)) symlinkSync(to, join(folder, name));
  // Root's capabilities alone lead into it.
  if (process.getuid?.() === 0) chownSync(join(folder, "closed"), 4711, 4711);
  chmodSync(join(folder, "closed"), 0o700);
  writeFileSync(policy, pinEverything("", new Set(["path"])));
});

const shared = ["none", "mounts", "child-mounts"] as const;
const ofRoot = ["user", "real-user", "file-user", "capabilities", "thread", "root", "shared-root"] as const;

describe.each(users)("$name", ({ name, uid }) => {
  it.each(name === "root" ? [...shared, ...ofRoot] : shared)("gives every errno of the kernel: %s", (scenario) => {
    const command = [victim("lookups"), scenario, folder];
    const words = uid === undefined ? command : asUser(ordinaryUser, ...command);
    const plain = spawnSync(words[0]!, words.slice(1), { encoding: "utf8", cwd: place });
    expect(plain.status).toBe(0);
    const { stdout, stderr, status } = portcullis(["run", "-q", "-p", policy, "--", ...words]);
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
    expect(stdout.split("\n")).toEqual(plain.stdout.split("\n"));
  });
});
