/**
 * Runs a command under a policy that the kernel enforces, and waits for it where somebody wants to hear of it.
 *
 * Nothing in here is needed for enforcing: the filters hold whether this process lives or not. It reads the ring buffer.
 */

import type { PolicyDescription } from "../../events/record.ts";
import { BpfMap, mapTypes, RingBufferReader } from "../../linux/bpf.ts";
import { callNumber } from "../../linux/call-numbers.ts";
import { pollFor } from "../../linux/descriptors.ts";
import { native } from "../../linux/native.ts";
import { signalProcess } from "../../linux/pidfd.ts";
import type { EngineRunOptions } from "../engine.ts";
import { exitStatus, readMessage, treeOrders } from "../launcher.ts";
import { hideFromCommand, type RunResult, signals } from "../run.ts";
import { SigsysWatch } from "../sigsys.ts";
import { StartError } from "../start-error.ts";
import { becomeCommand, type Launched, launch } from "./launch.ts";
import type { SeccompEbpfPolicy } from "./policy.ts";
import { clockPair, judgementOf } from "./records.ts";

/**
 * Starts the command and resolves when it and, unless `killTree`, all of its tree have ended. Rejects with a StartError
 * where nothing was started. Without events, time limit and ties to the tree it does not return: this process becomes the
 * command.
 */
export async function runUnderSeccompEbpf(
  policy: SeccompEbpfPolicy,
  command: readonly string[],
  options: EngineRunOptions,
): Promise<RunResult> {
  if (command.length === 0) throw new StartError(125, "there is no command to run");
  const { flags, timeLimit } = treeOrders(options);
  if (!options.events && flags === 0 && timeLimit === 0) becomeCommand(command, policy);
  hideFromCommand();
  const launched = launch(command, policy, options);
  return await new Watch(policy, launched, options).untilEnd();
}

/** Milliseconds: how long the kernel is waited in, at first after something happened and at most. */
const patience = { least: 20, most: 1000 } as const;
const advice = "without --no-denial-events the call and the policy's line become an event";

function sigsysVerdicts({ verdicts }: PolicyDescription): { readonly kills: boolean; readonly traps: boolean } {
  const has = (...actions: readonly string[]) => verdicts.some(({ action }) => actions.includes(action));
  return { kills: has("kill-process", "kill-thread"), traps: has("trap") };
}

class Watch {
  readonly #policy: SeccompEbpfPolicy;
  readonly #launched: Launched;
  readonly #options: EngineRunOptions;
  readonly #ring: RingBufferReader | undefined;
  readonly #dropped: BpfMap;
  /** Where verdicts are not told. */
  readonly #sigsys: SigsysWatch | undefined;
  #told = 0n;
  #status: number | undefined;
  #timedOut = false;

  constructor(policy: SeccompEbpfPolicy, launched: Launched, options: EngineRunOptions) {
    this.#policy = policy;
    this.#launched = launched;
    this.#options = options;
    const ring = { type: mapTypes.ringBuffer, keySize: 0, valueSize: 0, capacity: policy.eventsSize };
    const isSilent = options.events && policy.mode === "quiet";
    this.#sigsys = isSilent ? new SigsysWatch({ ...sigsysVerdicts(policy.description), advice }) : undefined;
    this.#ring = options.events ? new RingBufferReader(new BpfMap(ring, launched.events)) : undefined;
    this.#dropped = new BpfMap({ type: mapTypes.array, keySize: 4, valueSize: 8, capacity: 1 }, launched.dropped);
  }

  async untilEnd(): Promise<RunResult> {
    const { socket, launcher } = this.#launched;
    let wait: number = patience.least;
    for (let conversing = true; conversing; ) {
      const [said = 0, told = 0] = pollFor([socket, this.#ring?.descriptor ?? -1], wait);
      if (told !== 0) this.#tellEvents();
      if (said !== 0) conversing = this.#heed();
      wait = said !== 0 || told !== 0 ? patience.least : Math.min(patience.most, 2 * wait);
      // Timers and whoever writes events get their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#tellEvents();
    this.#sigsys?.close();
    native().syscall(callNumber("wait4"), launcher, null, 0, null);
    return { status: exitStatus(this.#status), timedOut: this.#timedOut };
  }

  /** False where the launcher has no more to say. */
  #heed(): boolean {
    const message = readMessage(this.#launched.socket);
    switch (message.kind) {
      case "ended":
        this.#status = message.status;
        this.#describeEnd(message.status);
        return true;
      case "timed-out":
        this.#timedOut = true;
        this.#notice("the time limit was reached: the command is ended");
        return true;
      case "front-gone":
        this.#notice("portcullis's first process was killed: its command goes on");
        return true;
      case "tree-ended":
        return false;
      case "closed":
        if (this.#status === undefined) {
          this.#notice("the launcher was killed: its command is ended");
          signalProcess(this.#launched.pidfd, signals.kill);
        }
        return false;
    }
  }

  #tellEvents(): void {
    if (this.#ring === undefined) return;
    const clocks = clockPair();
    for (const bytes of this.#ring.read()) {
      this.#options.onEvent(judgementOf(this.#policy.description, bytes, clocks));
    }
    const value = this.#dropped.get(new Uint8Array(4));
    const dropped = value === undefined ? 0n : new DataView(value.buffer).getBigUint64(0, true);
    if (dropped === this.#told) return;
    this.#notice("events were dropped, because too many came at once", Number(dropped - this.#told));
    this.#told = dropped;
  }

  #describeEnd(status: number): void {
    const record = this.#sigsys?.describe(this.#launched.pid, status);
    if (record !== undefined) this.#options.onEvent(record);
  }

  #notice(text: string, dropped?: number): void {
    this.#options.onEvent({ kind: "notice", time: Date.now(), text, dropped });
  }
}
