/**
 * Runs a command under a policy of `programs.ts`, like the command line, in a separate process. `run.ts` bundles it,
 * because Node 20 does not run TypeScript.
 *
 *     node harness.mjs OPTIONS-AS-JSON COMMAND [ARGUMENT...]
 *
 * Writes records as JSON lines to the file of the options.
 */

import { openSync, writeSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import type { Mode } from "../../src/engines/engine/engine.ts";
import { StartError } from "../../src/engines/launcher/start-error.ts";
import { compileForNotify } from "../../src/engines/notify/compile.ts";
import { decodePolicy, encodePolicy, type NotifyPolicy } from "../../src/engines/notify/policy/policy.ts";
import { type NotifyRunOptions, runUnderNotify } from "../../src/engines/notify/run.ts";
import { Supervision } from "../../src/engines/notify/supervision.ts";
import type { KernelFeatures } from "../../src/engines/notify/supervisor-options.ts";
import type { EventRecord } from "../../src/events/record.ts";
import { exitAtOnce } from "../../src/machine/process.ts";
import { programs } from "./programs.ts";

export interface HarnessOptions {
  readonly program: string;
  readonly mode?: Mode;
  readonly killEvents?: boolean;
  readonly events?: string;
  readonly timeout?: number;
  readonly killTree?: boolean;
  readonly dieWithParent?: boolean;
  readonly cgroup?: boolean;
  readonly separate?: boolean;
  readonly kernel?: KernelFeatures;
  /** Interrupts each fork, as if its thread did not get a processor. */
  readonly interruptsForks?: boolean;
  /** Breaks the policy: its step traps, or traps the second time, or the supervisor cannot start. */
  readonly sabotage?: "step" | "second-step" | "start" | undefined;
  /**
   * "many": the tree is supervised as one of many. "suspended": it is suspended again and again, and another thread goes on.
   * The environment's PORTCULLIS_TREES is the default, so that the whole live suite can run so (test/setup/live-in-trees.test.ts).
   * "alone": as `run` does without an agent.
   */
  readonly trees?: "alone" | "many" | "suspended" | undefined;
  /** "suspended": it is suspended at most so many times. Default: without a limit. */
  readonly suspensions?: number;
  /** The bundle of the supervisor's thread. */
  readonly supervisor?: string;
}

const [given = "{}", ...command] = process.argv.slice(2);
const options = JSON.parse(given) as HarnessOptions;
const make = programs[options.program];
if (make === undefined) throw new Error(`no program ${options.program}`);
const { policy, diagnostics } = compileForNotify(make(), options.mode, { killEvents: options.killEvents ?? false });
if (policy === undefined) {
  console.error(diagnostics.map(({ code, message }) => `${code}: ${message}`).join("\n"));
  process.exit(125);
}
// Opened before the command starts, because the command may exhaust descriptors.
const events = options.events === undefined ? undefined : openSync(options.events, "a");
const run: NotifyRunOptions = {
  onEvent: (record: EventRecord) => {
    if (events === undefined) return;
    const line = JSON.stringify(record, (_, value) => (typeof value === "bigint" ? value.toString() : value));
    writeSync(events, `${line}\n`);
  },
  timeout: options.timeout,
  killTree: options.killTree,
  dieWithParent: options.dieWithParent,
  cgroup: options.cgroup,
  separate: options.separate,
  supervisor: options.supervisor,
  kernel: options.kernel,
  interruptsForks: options.interruptsForks,
  supervise: inTurns(options.trees ?? process.env["PORTCULLIS_TREES"], options.suspensions),
};

function inTurns(
  how: string | undefined,
  suspensions: number = Number.POSITIVE_INFINITY,
): NotifyRunOptions["supervise"] {
  if (how === undefined || how === "alone") return undefined;
  return async (source, order) => {
    let supervision = new Supervision(source, { processor: 0 });
    let tree = supervision.supervise(order);
    let interval = 200; // ms; a thread takes some 60 ms to start
    for (let left = how === "many" ? 0 : suspensions; ; left--) {
      const pause = new Promise<"pause">((resolve) => setTimeout(resolve, interval, "pause").unref());
      const why = await (left === 0 ? tree.ended : Promise.race([tree.ended, pause]));
      if (why !== "pause") {
        await supervision.end();
        return why;
      }
      const begin = performance.now();
      const saved = (await supervision.suspend(10_000)).get(tree);
      interval = 200 + 4 * (performance.now() - begin);
      if (saved === undefined) return await tree.ended;
      await supervision.end();
      supervision = new Supervision(source, { processor: 0 });
      // The former thread has left its watches in the given ones.
      tree = supervision.supervise({ ...order, descriptors: undefined, saved: deserialize(serialize(saved)) });
    }
  };
}

/**
 * A module whose step gives the first verdict so many times, and then traps:
 *
 *     (module (import "env" "memory" (memory 1)) (global (mut i32) (i32.const TIMES))
 *       (func (export "step") (param i32 i32) (result i32)
 *         (if (i32.eqz (global.get 0)) (then (unreachable)))
 *         (global.set 0 (i32.sub (global.get 0) (i32.const 1)))
 *         (i32.const 0)))
 */
const trappingModule = (times: number) =>
  Uint8Array.from([
    ...Buffer.from(
      "0061736d01000000" + "01070160027f7f017f" + "020f0103656e76066d656d6f7279020001" + "03020100",
      "hex",
    ),
    ...[0x06, 0x06, 0x01, 0x7f, 0x01, 0x41, times, 0x0b],
    ...Buffer.from("070801047374657000" + "00" + "0a14011200" + "2300450440000b" + "230041016b2400" + "41000b", "hex"),
  ]);

function sabotaged(policy: NotifyPolicy, how: HarnessOptions["sabotage"]): NotifyPolicy {
  if (how === undefined) return policy;
  const whole = trappingModule(how === "second-step" ? 1 : 0);
  const module = how === "start" ? whole.subarray(0, 20) : whole;
  return { ...policy, step: { ...policy.step, module } };
}

try {
  const { status } = await runUnderNotify(
    sabotaged(decodePolicy(encodePolicy(policy)), options.sabotage),
    command,
    run,
  );
  exitAtOnce(status);
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.error(error.message);
  process.exit(error.status);
}
