/**
 * Calls that look up a path, under a policy that reads every path: the supervisor itself gives certain results
 * (native/addon/pin/answers.c, results.c). They are the kernel's, also after a program has changed its rights, for every buffer,
 * and never more than the caller itself could reach.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { asUser, ordinaryUser, reachableFolder } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
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
  writeFileSync(join(folder, "executable"), "#!/bin/true\n", { mode: 0o755 });
  execFileSync("mkfifo", ["-m", "600", join(folder, "fifo")]);
  writeFileSync(policy, pinEverything("", new Set(["path"])));
});

const shared = ["none", "mounts", "child-mounts", "results", "restricted", "protected", "sealed"] as const;
const ofRoot = ["traced", "user", "real-user", "file-user", "capabilities", "thread", "root", "shared-root"] as const;

describe.each(users)("$name", ({ name, uid }) => {
  it.each(name === "root" ? [...shared, ...ofRoot] : shared)("gives every result of the kernel: %s", (scenario) => {
    const command = [victim("lookups"), scenario, folder];
    const words = uid === undefined ? command : asUser(ordinaryUser, ...command);
    const plain = spawnSync(words[0]!, words.slice(1), { encoding: "utf8", cwd: place });
    expect(plain.status).toBe(0);
    const { stdout, stderr, status } = portcullis(["run", "-q", "-p", policy, "--", ...words]);
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
    expect(stdout.split("\n")).toEqual(plain.stdout.split("\n"));
  });
});

/** The situations of the victim `answers`. */
const situations = ["link-size", "own-filter", "full-table", "killed", "proc"] as const;
const situationsOfRoot = ["listener"] as const;

describe.each(users)("$name", ({ name, uid }) => {
  it.each(name === "root" ? [...situations, ...situationsOfRoot] : situations)(
    "gives every result of the kernel: %s",
    (situation) => {
      const command = [victim("answers"), situation, folder];
      const words = uid === undefined ? command : asUser(ordinaryUser, ...command);
      const plain = spawnSync(words[0]!, words.slice(1), { encoding: "utf8", cwd: place });
      expect(plain.status).toBe(0);
      const { stdout, stderr, status } = portcullis(["run", "-q", "-p", policy, "--", ...words]);
      expect({ stdout, stderr, status }).toEqual({ stdout: plain.stdout, stderr: "", status: 0 });
    },
  );
});

it.skipIf(process.getuid?.() !== 0)("opens for a listener of the tree, which sees portcullis as the opener", () => {
  const resolved = join(place, "resolved.ts");
  writeFileSync(
    resolved,
    `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  switch (call.name) {
    case "open":
    case "openat":
      return call.args.path.resolved.is("/never") ? deny("EXFULL") : allow;
    case "readlink":
      return call.args.path.text.is("/never") ? deny("EXFULL") : allow;
  }
  return allow;
});
`,
  );
  const { stdout, stderr, status } = portcullis([
    "run",
    "-q",
    "-p",
    resolved,
    "--",
    victim("answers"),
    "listener",
    folder,
  ]);
  const asked = "asked 1 0\n".repeat(3);
  expect({ stdout, stderr, status }).toEqual({
    stdout: `mark 0\n${"open 1\n".repeat(3)}${asked}`,
    stderr: "",
    status: 0,
  });
});

it("serves 150 processes with 512 descriptors", () => {
  const command = ["bin/portcullis", "run", "-q", "-p", policy, "--", victim("answers"), "many", folder];
  const { stdout, stderr, status } = spawnSync("sh", ["-c", `ulimit -n 512; exec "$@"`, "sh", ...command], {
    encoding: "utf8",
    timeout: patience.command,
    killSignal: "SIGKILL",
  });
  expect({ stdout, stderr, status }).toEqual({ stdout: "wrong 0\n", stderr: "", status: 0 });
});

it("gives each thread its own files, while other calls are pinned", () => {
  const script = fileURLToPath(new URL("many-files.mjs", import.meta.url));
  for (let round = 0; round < 3; round++) {
    const command = [process.execPath, script, join(place, `many-${round}`)];
    const { stdout, stderr, status } = portcullis(["run", "-q", "-p", policy, "--", ...command]);
    expect({ stdout, stderr, status }).toEqual({ stdout: "done\n", stderr: "", status: 0 });
  }
});
