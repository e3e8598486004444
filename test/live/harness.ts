/**
 * Runs a command under one of `programs.ts`, as the command line would, in a process of its own. Bundled by
 * `run.ts`, because Node 20 runs no TypeScript.
 *
 *     node harness.mjs OPTIONS-AS-JSON COMMAND [ARGUMENT...]
 *
 * Records go as JSON lines to the file that the options name.
 */
import { appendFileSync } from "node:fs";
import { StartError } from "../../src/engines/notify/command.ts";
import { compileForNotify } from "../../src/engines/notify/compile.ts";
import { decodePolicy, encodePolicy, type NotifyMode } from "../../src/engines/notify/policy.ts";
import { type RunOptions, runUnderNotify } from "../../src/engines/notify/run.ts";
import type { EventRecord } from "../../src/events/record.ts";
import { exitAtOnce } from "../../src/linux/process.ts";
import { programs } from "./programs.ts";

export interface HarnessOptions {
  readonly program: string;
  readonly mode?: NotifyMode;
  readonly events?: string;
  readonly timeout?: number;
  readonly killTree?: boolean;
  readonly dieWithParent?: boolean;
  /** The bundle of the supervisor's thread. */
  readonly supervisor?: string;
}

const [given = "{}", ...command] = process.argv.slice(2);
const options = JSON.parse(given) as HarnessOptions;
const make = programs[options.program];
if (make === undefined) throw new Error(`no program ${options.program}`);
const { policy, diagnostics } = compileForNotify(make(), options.mode);
if (policy === undefined) {
  console.error(diagnostics.map(({ code, message }) => `${code}: ${message}`).join("\n"));
  process.exit(125);
}
const run: RunOptions = {
  onEvent: (record: EventRecord) => {
    if (options.events === undefined) return;
    const line = JSON.stringify(record, (_, value) => (typeof value === "bigint" ? value.toString() : value));
    appendFileSync(options.events, `${line}\n`);
  },
  timeout: options.timeout,
  killTree: options.killTree,
  dieWithParent: options.dieWithParent,
  supervisor: options.supervisor,
};
try {
  const { status } = await runUnderNotify(decodePolicy(encodePolicy(policy)), command, run);
  exitAtOnce(status);
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.error(error.message);
  process.exit(error.status);
}
