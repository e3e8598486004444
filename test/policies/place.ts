/**
 * Where live tests of ready policies run programs: on this machine under `notify`, or in the virtual machine under
 * `seccomp-ebpf` (test/engines/machine-place.ts).
 */
import { spawnSync } from "node:child_process";
import { patience } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";
import { type Guarded, guarded, type Ran } from "../support/run.ts";

export interface Settings {
  readonly cwd?: string;
  /** Variables in addition to those of the place. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Place {
  readonly engine: "notify" | "seccomp-ebpf";
  readonly isRoot: boolean;
  /** As `guarded` of run.ts. */
  guarded(
    policy: string,
    command: readonly string[],
    options?: readonly string[],
    settings?: Settings,
  ): Promise<Guarded>;
  /** Runs a command without a policy. */
  run(command: readonly string[]): Promise<Ran>;
  /** The words that start a command under a policy, before those of the command. Events go to a file, or nowhere. */
  under(policy: string, options: readonly string[], events?: string): readonly string[];
}

export const here: Place = {
  engine: "notify",
  isRoot: process.getuid?.() === 0,
  async guarded(policy, command, options, { cwd, env } = {}) {
    return guarded(policy, command, options, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...env },
    });
  },
  async run([file, ...words]) {
    const ran = spawnSync(file!, words, { encoding: "utf8", timeout: patience.command });
    if (ran.error !== undefined) throw ran.error;
    return { status: statusInShell(ran), signal: ran.signal, stdout: ran.stdout, stderr: ran.stderr };
  },
  under(policy, options, events) {
    const where = events === undefined ? ["-q"] : ["--events", events];
    return ["bin/portcullis", "run", "--engine", "notify", "-p", policy, ...where, ...options, "--"];
  },
};
