/**
 * Runs a command under a policy that the kernel enforces, and waits for it if events or ties to the tree require that.
 *
 * This process only reads the ring buffer: the filters stay in force after its end.
 */

import { mapTypes } from "../../abi/bpf-numbers.ts";
import type { JudgementRecord, PolicyDescription } from "../../events/record.ts";
import { type ActionEffect, actions } from "../../ir/verdicts.ts";
import { BpfMap } from "../../machine/bpf/maps.ts";
import { RingBufferReader } from "../../machine/bpf/ring-buffer.ts";
import { pollFor } from "../../machine/descriptors.ts";
import { CommandWatch } from "../command/command-watch.ts";
import { SigsysWatch } from "../command/sigsys.ts";
import type { EngineRunOptions } from "../engine/engine.ts";
import { hideFromCommand, type RunResult } from "../engine/run.ts";
import { readMessage, treeOrders } from "../launcher/launcher.ts";
import { StartError } from "../launcher/start-error.ts";
import { becomeCommand, type Launched, launch } from "./launch.ts";
import type { SeccompEbpfPolicy } from "./policy.ts";
import { clockPair, judgementOf } from "./records.ts";
import { KernelStatus } from "./status.ts";

/**
 * Starts the command and resolves when it and, unless `killTree`, all of its tree have ended. Rejects with a StartError
 * if the command was not started. Without events, time limit, ties to the tree and hosts it does not return: the front becomes
 * the command, and this process exits.
 */
export async function runUnderSeccompEbpf(
  policy: SeccompEbpfPolicy,
  command: readonly string[],
  options: EngineRunOptions,
): Promise<RunResult> {
  if (command.length === 0) throw new StartError(125, "there is no command to run");
  const { flags, timeLimit } = treeOrders(options);
  const reads = options.events || options.status !== undefined;
  // The proxy of hosts ends with this process.
  const isAlone = !reads && options.hosts === undefined;
  if (isAlone && flags === 0 && timeLimit === 0) becomeCommand(command, policy, options);
  hideFromCommand();
  const isSilent = options.events && policy.mode === "quiet";
  const sigsys = isSilent ? new SigsysWatch({ ...sigsysVerdicts(policy.description), advice }) : undefined;
  const launched = launch(command, policy, options);
  const watch = new CommandWatch(launched, options.onEvent, sigsys, policy);
  const status = options.status && new KernelStatus(options.status, policy, launched);
  const onEvent = (record: JudgementRecord) => {
    status?.count(record);
    options.onEvent(record);
  };
  const events = reads ? new EventReader(policy, launched, onEvent) : undefined;
  await waitUntilEnd(launched, watch, events, status);
  return watch.finish();
}

/**
 * Milliseconds of a wait in the kernel: the first wait after an event, and the longest. Between waits the status socket is
 * served.
 */
const patience = { least: 20, most: 1000, mostServing: 100 } as const;
const advice = "without --no-denial-events the call and the policy's line become an event";

function sigsysVerdicts({ verdicts }: PolicyDescription): { readonly kills: boolean; readonly traps: boolean } {
  const has = (effect: ActionEffect) => verdicts.some(({ action }) => actions[action].effect === effect);
  return { kills: has("kills"), traps: has("signals") };
}

async function waitUntilEnd(
  { socket }: Launched,
  watch: CommandWatch,
  events: EventReader | undefined,
  status: KernelStatus | undefined,
): Promise<void> {
  const most = status === undefined ? patience.most : patience.mostServing;
  let wait: number = patience.least;
  for (let conversing = true; conversing; ) {
    status?.answerRequest();
    const [said = 0, written = 0] = pollFor([socket, events?.descriptor ?? -1], wait);
    if (written !== 0) events?.read(watch);
    if (said !== 0) conversing = watch.heed(readMessage(socket));
    wait = said !== 0 || written !== 0 ? patience.least : Math.min(most, 2 * wait);
    // Timers and the writer of events run now.
    await new Promise((resolve) => setImmediate(resolve));
  }
  events?.read(watch);
}

/** Reads the program's ring buffer, and the number of records that did not fit. */
class EventReader {
  readonly #description: PolicyDescription;
  readonly #onEvent: (record: JudgementRecord) => void;
  readonly #ring: RingBufferReader;
  readonly #dropped: BpfMap;
  #reported = 0n;

  constructor(
    { description, eventsSize }: SeccompEbpfPolicy,
    { events, dropped }: Launched,
    onEvent: (record: JudgementRecord) => void,
  ) {
    this.#description = description;
    this.#onEvent = onEvent;
    const ring = { type: mapTypes.ringBuffer, keySize: 0, valueSize: 0, capacity: eventsSize };
    this.#ring = new RingBufferReader(new BpfMap(ring, events));
    this.#dropped = new BpfMap({ type: mapTypes.array, keySize: 4, valueSize: 8, capacity: 1 }, dropped);
  }

  get descriptor(): number {
    return this.#ring.descriptor;
  }

  read(watch: CommandWatch): void {
    const clocks = clockPair();
    for (const bytes of this.#ring.read()) this.#onEvent(judgementOf(this.#description, bytes, clocks));
    const value = this.#dropped.get(new Uint8Array(4));
    const dropped = value === undefined ? 0n : new DataView(value.buffer).getBigUint64(0, true);
    if (dropped === this.#reported) return;
    watch.notice("events were dropped, because too many came at once", Number(dropped - this.#reported));
    this.#reported = dropped;
  }
}
