/**
 * What an agent leaves to the next one in the store of systemd: the listeners of its trees, and sealed memory with the rest.
 * The kernel keeps the calls of the trees waiting meanwhile. No text of a tree is in a name.
 *
 * The memory can be read once. Otherwise an agent that was killed would be followed by one that begins with an old state, in
 * which a call that was counted can be made again.
 */
import { randomBytes } from "node:crypto";
import { deserialize, serialize } from "node:v8";
import { savedFormat } from "../engines/notify/tasks/saved.ts";
import { close } from "../machine/descriptors.ts";
import { sealedMemory, takeSealedMemory } from "../machine/memfd.ts";
import { packageVersion } from "../machine/package.ts";
import { readProc } from "../machine/proc.ts";
import { isListener } from "../machine/seccomp.ts";
import { sha256 } from "../machine/sha256.ts";
import type { GivenDescriptors, ServiceManager } from "./systemd.ts";
import type { SuspendedAgent, SuspendedTree } from "./trees.ts";

interface Stored {
  readonly format: number;
  readonly version: string;
  readonly boot: string | undefined;
  readonly agent: SuspendedAgent<string>;
}

type Log = (line: string) => void;

const digestSize = 32;
const prefix = "portcullis-";
const memoryName = /^portcullis-[0-9a-f]{16}$/;

/** Leaves the trees to the next agent. This process must end then. Returns the number of trees that can go on. */
export function leave(agent: SuspendedAgent<number>, manager: ServiceManager, log: Log): number {
  const name = `${prefix}${randomBytes(8).toString("hex")}`;
  const trees: SuspendedTree<string>[] = [];
  let left = manager.room - 1;
  let isTaken = true;
  for (const tree of agent.trees) {
    left -= tree.listeners.length;
    if (left < 0) {
      log(`tree ${tree.facts.number} does not go on: the service manager stores ${manager.room} descriptors at most`);
      continue;
    }
    const listeners = tree.listeners.map(({ listener, saved }, index) => {
      const named = `${name}-${tree.facts.number}-${index}`;
      isTaken &&= manager.store(named, listener);
      return { listener: named, saved };
    });
    trees.push({ ...tree, listeners });
  }
  if (trees.length === 0) return 0;
  const { restarts, last } = agent;
  const stored: Stored = {
    ...{ format: savedFormat, version: packageVersion(), boot: boot() },
    agent: { restarts, last, trees },
  };
  try {
    const bytes = serialize(stored);
    const memory = sealedMemory(name, Buffer.concat([sha256(bytes), bytes]));
    // Last, so that an agent that finds it finds all listeners.
    if (isTaken && manager.store(name, memory) && manager.synchronize()) return trees.length;
    log("the trees do not go on: the service manager does not take their descriptors");
  } catch (error) {
    log(`the trees do not go on: ${error instanceof Error ? error.message : String(error)}`);
  }
  return 0;
}

/**
 * Takes what another agent has left out of the store. Closes the listeners of trees that cannot go on: the kernel then denies
 * their calls (ENOSYS). Undefined if no tree can.
 */
export function take(
  stored: GivenDescriptors["stored"],
  manager: ServiceManager,
  log: Log,
): SuspendedAgent<number> | undefined {
  const ours = stored.filter(({ name }) => name.startsWith(prefix) && !name.includes("."));
  const listeners = new Map(ours.map(({ name, descriptor }) => [name, descriptor]));
  let found: SuspendedAgent<number> | undefined;
  for (const { name, descriptor } of ours) {
    if (!memoryName.test(name)) continue;
    const content = read(descriptor);
    if (typeof content === "string") log(`the trees of another agent do not go on: ${content}`);
    else found = claimed(content, listeners, log);
  }
  for (const name of new Set(ours.map(({ name }) => name))) manager.remove(name);
  const used = new Set(found?.trees.flatMap((tree) => tree.listeners.map(({ listener }) => listener)));
  const unused = ours.filter(({ descriptor }) => !used.has(descriptor));
  for (const { descriptor } of unused) close(descriptor);
  const lost = unused.filter(({ name }) => !memoryName.test(name)).length;
  if (lost > 0) log(`${lost} ${lost === 1 ? "listener" : "listeners"} closed: no state of them is left`);
  return found;
}

/** A sentence without a full stop if it cannot be used. */
function read(memory: number): SuspendedAgent<string> | string {
  const bytes = takeSealedMemory(memory);
  if (bytes === undefined) return "their memory is not sealed";
  if (bytes.length === 0) return "an agent that was killed has gone on with them already";
  const content = bytes.subarray(digestSize);
  if (!sha256(content).equals(bytes.subarray(0, digestSize))) return "their memory is damaged";
  try {
    const { format, version, boot: of, agent } = deserialize(content) as Stored;
    if (format !== savedFormat) return `portcullis ${version} has stored them in format ${format}, not ${savedFormat}`;
    if (of === undefined || of !== boot()) return "the machine has been started again";
    return agent;
  } catch (error) {
    // The version of Node that has stored it can be another.
    return `their memory cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** With the descriptors of the listeners. */
function claimed(
  agent: SuspendedAgent<string>,
  descriptors: ReadonlyMap<string, number>,
  log: Log,
): SuspendedAgent<number> {
  const trees = agent.trees.flatMap((tree) => {
    const listeners = tree.listeners.flatMap(({ listener: name, saved }) => {
      const listener = descriptors.get(name);
      return listener !== undefined && isListener(listener) ? [{ listener, saved }] : [];
    });
    const missing = tree.listeners.length - listeners.length;
    const what = `tree ${tree.facts.number}: ${missing} of ${tree.listeners.length} listeners are missing`;
    if (missing > 0) log(`${what}, and the calls that need them fail`);
    return listeners.length === 0 ? [] : [{ ...tree, listeners }];
  });
  return { ...agent, trees };
}

function boot(): string | undefined {
  return readProc("sys/kernel/random/boot_id")?.trim();
}
