/**
 * Runs in the machine, as a service (test/kernel/vm.ts): starts commands under policies that the host has compiled for
 * `seccomp-ebpf`, as `run` does; bundled by machine-place.ts, because Node 20 runs no TypeScript. Each line of input is a
 * `ServiceJob`, each line of output a `ServiceAnswer`.
 */
import { closeSync, createReadStream, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { deserialize } from "node:v8";
import { callNumber } from "../../src/abi/call-numbers.ts";
import type { SeccompEbpfPolicy } from "../../src/engines/seccomp-ebpf/policy.ts";
import { runUnderSeccompEbpf } from "../../src/engines/seccomp-ebpf/run.ts";
import { describe } from "../../src/events/describe.ts";
import type { PolicyEvent } from "../../src/events/event.ts";
import type { EventRecord } from "../../src/events/record.ts";
import { native, required } from "../../src/machine/native.ts";
import { patience } from "../support/patience.ts";

export interface ServiceJob {
  /** A file with a v8-serialized `SeccompEbpfPolicy`. */
  readonly policy: string;
  readonly command: readonly string[];
  readonly cwd?: string;
  /** Variables in addition to those of the service. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ServiceAnswer {
  /** Why the command was not started. The status is then 125. */
  readonly error?: string;
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly events: readonly PolicyEvent[];
}

const { syscall } = native();
const duplicateAbove = 1030; // F_DUPFD_CLOEXEC
/** On x86-64, as the machine is. */
const dup3 = 292;
const moved = (descriptor: number) =>
  required("fcntl", syscall(callNumber("fcntl"), descriptor, duplicateAbove, 100, 0, 0));
const redirect = (from: number, to: number) => required("dup3", syscall(dup3, from, to, 0, 0, 0));

// The command inherits the standard streams of this process.
const [input, output] = [moved(0), moved(1)];
const nowhere = openSync("/dev/null", "r+");
for (const stream of [0, 1]) redirect(nowhere, stream);
const errors = moved(2);
const home = process.cwd();

async function run({ policy: file, command, cwd = home, env = {} }: ServiceJob): Promise<ServiceAnswer> {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-service-"));
  const streams = ["stdout", "stderr"].map((name) => join(folder, name));
  const records: EventRecord[] = [];
  const policy = deserialize(readFileSync(file)) as SeccompEbpfPolicy;
  const before = { ...process.env };
  let [status, error]: [number, string | undefined] = [125, undefined];
  for (const [index, path] of streams.entries()) {
    const file = openSync(path, "a");
    redirect(file, 1 + index);
    closeSync(file);
  }
  Object.assign(process.env, env);
  process.chdir(cwd);
  try {
    const onEvent = (record: EventRecord) => void records.push(record);
    ({ status } = await runUnderSeccompEbpf(policy, command, { onEvent, events: true, timeout: patience.command }));
  } catch (thrown) {
    error = String(thrown);
  }
  process.chdir(home);
  for (const name of Object.keys(env)) delete process.env[name];
  Object.assign(process.env, before);
  redirect(nowhere, 1);
  redirect(errors, 2);
  const [stdout = "", stderr = ""] = streams.map((path) => readFileSync(path, "utf8"));
  rmSync(folder, { recursive: true });
  const events = records.flatMap((record) => describe(policy.description, record));
  return { ...(error === undefined ? {} : { error }), status, stdout, stderr, events };
}

(async () => {
  for await (const line of createInterface({ input: createReadStream("", { fd: input }) })) {
    const answer = await run(JSON.parse(line) as ServiceJob);
    const bytes = Buffer.from(`${JSON.stringify(answer)}\n`);
    for (let sent = 0; sent < bytes.length; ) sent += writeSync(output, bytes, sent);
  }
  process.exit(0);
})();
