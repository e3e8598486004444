/** The addon reads no variable of its stack before it is set: it works if the compiler fills them all with a pattern. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { patience } from "../support/patience.ts";

const policy = `import { allow, deny, perTree, policy } from "portcullis";
const made = perTree.counter();
export default policy((call) => {
  if (call.name === "openat" && call.args.path.text.matches("**/forbidden")) return deny("EACCES");
  if (call.name !== "mkdir" && call.name !== "mkdirat") return allow;
  return made.add() > 3n ? deny("EDQUOT") : allow;
});
`;

it("counts each call once, and reads paths, with such an addon", () => {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-pattern-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const part of ["bin", "dist", "package.json", "policies"]) cpSync(part, join(folder, part), { recursive: true });
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  const built = join(folder, "dist/native", process.arch);
  const addon = join(built, "portcullis.node");
  rmSync(addon);
  const compiler = "CC=cc -ftrivial-auto-var-init=pattern";
  execFileSync("make", ["-s", "-C", "native", compiler, `DIST=${built}`, addon], { stdio: "inherit" });
  writeFileSync(join(folder, "p.ts"), policy);
  const script = "for name in a b c d e; do mkdir $name 2>/dev/null && echo $name; done; cat forbidden; echo $?";
  const words = ["run", "-q", "--no-agent", "-p", join(folder, "p.ts"), "--", "sh", "-c", script];
  const { stdout, status } = spawnSync(join(folder, "bin/portcullis"), words, {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, XDG_CACHE_HOME: folder },
    timeout: patience.command,
  });
  expect({ stdout, status }).toEqual({ stdout: "a\nb\nc\n1\n", status: 0 });
});
