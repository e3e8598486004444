/** Trials of `doctor`: portcullis in a child, as a person starts it, with a ready policy and a shell's script. */
import { spawnSync } from "node:child_process";
import type { Trial } from "../../engines/engine/description.ts";
import type { EngineName } from "../../engines/registry.ts";
import { nativeFile } from "../../machine/native.ts";
import { packageFile } from "../../machine/package.ts";
import type { Context } from "../context.ts";

/** Milliseconds after which a trial that hangs is ended. A machine may be slow, so nothing but a hang takes as long. */
const patience = 150_000;

/** By its whole path: a bare name, and the prefix of the package, can mean a file of the working directory. */
const readyPolicy = (name: string): string => packageFile(`policies/${name}.ts`);

export function trialsOf(engine: EngineName, context: Context): Trial {
  return (policy, script) => {
    const options = ["--engine", engine, "--events", "fd:3", "--timeout", "2min", "-p", readyPolicy(policy)];
    const portcullis = ["supervise", process.execPath, packageFile("bin/portcullis.cjs")];
    const command = [...portcullis, "run", ...options, "--", "/bin/sh", "-c", script];
    const { status, stderr, output } = spawnSync(nativeFile("launcher"), command, {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      encoding: "utf8",
      env: { ...process.env, ...context.environment },
      timeout: patience,
    });
    return { status, stderr: stderr ?? "", events: output?.[3] ?? "" };
  };
}
