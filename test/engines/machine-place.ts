/**
 * The virtual machine as a place for live tests of ready policies, under `seccomp-ebpf`. Tests and compiler run on the host: in
 * the machine a start of Node takes seconds, and a compilation longer. There one process of Node starts all commands of
 * a user (service.ts), by the engine that `run` uses.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { serialize } from "node:v8";
import { afterAll, expect } from "vitest";
import { compileForSeccompEbpf } from "../../src/engines/seccomp-ebpf/compile.ts";
import type { SeccompEbpfMode, SeccompEbpfPolicy } from "../../src/engines/seccomp-ebpf/policy.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { type Command, eachInMachine, type Outcome } from "../kernel/vm.ts";
import type { Place } from "../policies/place.ts";
import { bundleGuest } from "../support/bundle.ts";
import { statusInShell } from "../support/processes.ts";
import { eventsOf } from "../support/run.ts";
import type { ServiceAnswer, ServiceJob } from "./service.ts";

const parent = resolve("build/engines");
const service = join(parent, "service.cjs");
const launcher = resolve(`dist/native/${process.arch}/launcher`);

export async function buildService(): Promise<void> {
  mkdirSync(parent, { recursive: true });
  await bundleGuest("test/engines/service.ts", service);
}

export interface MachineUser {
  readonly uid: number;
  /** In a user namespace of its own, with this user's id in it. */
  readonly inNamespace?: boolean;
}

export function machinePlace({ uid, inNamespace = false }: MachineUser): Place {
  const unprivileged = uid !== 0;
  const prefix = inNamespace ? ["unshare", "--user", "--map-current-user"] : [];
  const folder = mkdtempSync(join(tmpdir(), "portcullis-place-"));
  chmodSync(folder, 0o755);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let files = 0;
  const perform = async (command: Omit<Command, "uid" | "gid">): Promise<Outcome> => {
    const words = [...prefix, ...command.words];
    const [outcome] = await eachInMachine({ kernel: "patched" }, [{ ...command, words, uid }]);
    return outcome!;
  };
  /** A file of its own, whose name the machine has not looked up yet. */
  const write = (extension: string, bytes: Uint8Array): string => {
    const file = join(folder, `${files++}.${extension}`);
    writeFileSync(file, bytes);
    return file;
  };
  return {
    engine: "seccomp-ebpf",
    isRoot: uid === 0,
    async guarded(policy, command, options = [], settings = {}) {
      const compiled = compile(policy, options, unprivileged);
      const job = { policy: write("policy", serialize(compiled)), command, ...settings } satisfies ServiceJob;
      const outcome = await perform({ words: ["node", service], input: JSON.stringify(job), service: true });
      expect(outcome).toMatchObject({ status: 0 });
      const { error, status, stdout, stderr, events } = JSON.parse(outcome.stdout) as ServiceAnswer;
      if (error !== undefined) throw new Error(`the command was not started: ${error}`);
      return { status, signal: null, stdout, stderr, ...eventsOf(events) };
    },
    async run(words) {
      const outcome = await perform({ words });
      if (outcome.status === null && outcome.signal === null) throw new Error(outcome.stderr);
      return { ...outcome, status: statusInShell(outcome) };
    },
    under(policy, options, events) {
      const bundle = write("pcl", compile(policy, options, unprivileged).bundle);
      if (events === undefined) return [launcher, "run", bundle, "--"];
      return ["bin/portcullis", "run", "--engine", "seccomp-ebpf", "-p", bundle, "--events", events, "--"];
    },
  };
}

/** As `run` compiles it with these options; `-q` leaves out messages only. */
function compile(policy: string, options: readonly string[], unprivileged: boolean): SeccompEbpfPolicy {
  const set = new Map<string, string>();
  let mode: SeccompEbpfMode = "reported";
  for (const [index, option] of options.entries()) {
    if (options[index - 1] === "--set") set.set(...(option.split("=") as [string, string]));
    else if (option === "--no-denial-events") mode = "quiet";
    else if (option !== "--set" && option !== "-q") throw new Error(`not an option of these tests: ${option}`);
  }
  const { program, diagnostics, sources } = loadPolicy(policy, { architecture: "x86_64", set });
  expect(program, JSON.stringify(diagnostics)).toBeDefined();
  const made = compileForSeccompEbpf(program!, {
    mode,
    unprivileged,
    compiler: "portcullis test",
    fixed: [...set],
    sources,
  });
  expect(made.policy, JSON.stringify(made.diagnostics)).toBeDefined();
  return made.policy!;
}
