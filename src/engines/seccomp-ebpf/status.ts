/**
 * The status of a tree whose calls the kernel judges: counts of the records in the ring buffer, the keys of tables that
 * are maps, and /proc. Reading it changes no state of the program and takes none of its locks.
 */
import { readdirSync } from "node:fs";
import { mapTypes } from "../../abi/bpf-numbers.ts";
import type { JudgementRecord } from "../../events/record.ts";
import { BpfMap } from "../../machine/bpf/maps.ts";
import { readProc } from "../../machine/proc.ts";
import { type EngineStatus, type OwnerState, statusWords } from "../engine/status.ts";
import type { Launched } from "./launch.ts";
import type { SeccompEbpfPolicy } from "./policy.ts";

/** Data that top cannot show, as sentences without a full stop. */
export const statusLacks = [
  "calls that pass, because the kernel does not report them: refused calls alone are counted",
  "phases, counters, flags and values, which the kernel gives to a tracer only, and a tracer would stop the process",
  "tables of processes, tables of the tree for at most 8 keys, and more than 4,096 keys",
] as const;

const mostProcesses = 256;
/** Each key costs a system call, during which records wait. */
const mostKeys = 4096;

export class KernelStatus {
  readonly #status: EngineStatus;
  readonly #launched: Launched;
  readonly #tables: readonly { readonly table: number; readonly map: BpfMap }[];

  constructor(status: EngineStatus, policy: SeccompEbpfPolicy, launched: Launched) {
    this.#status = status;
    this.#launched = launched;
    this.#tables = launched.tables.flatMap((descriptor, index) => {
      const table = policy.mappedTables?.[index];
      if (table === undefined) return [];
      const capacity = policy.state?.tables[table]?.capacity ?? mostKeys;
      return [{ table, map: new BpfMap({ type: mapTypes.hash, keySize: 8, valueSize: 8, capacity }, descriptor) }];
    });
  }

  count({ verdict }: JudgementRecord): void {
    const { words } = this.#status;
    if (typeof verdict === "number") words[statusWords.verdicts + verdict]!++;
    else if (verdict !== undefined) words[statusWords.refusals]!++;
  }

  /** Answers a request for a snapshot. */
  answerRequest(): void {
    const { words, onSnapshot } = this.#status;
    if (words[statusWords.wanted] === 0) return;
    words[statusWords.wanted] = 0;
    const all = descendants(this.#launched.launcher);
    onSnapshot({
      time: Date.now(),
      tree: { cells: [], tables: this.#tables.flatMap(({ table, map }) => keysOf(map, table)) },
      processes: all.slice(0, mostProcesses).map((one) => ({ ...one, cells: [], tables: [] })),
      more: Math.max(0, all.length - mostProcesses),
    });
  }
}

/** Empty if there are too many keys, or the kernel does not let this user read them. */
function keysOf(map: BpfMap, table: number): OwnerState["tables"] {
  let keys = 0;
  try {
    for (const _ of map.keys()) if (++keys > mostKeys) return [];
  } catch {
    return [];
  }
  return [[table, keys]];
}

/** The launcher adopts the command's orphans, so each process of the tree descends from it. */
function descendants(root: number): readonly { readonly pid: number; readonly threads: number }[] {
  const children = new Map<number, { pid: number; threads: number }[]>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d/.test(name) ? readProc(`${name}/stat`) : undefined;
    if (stat === undefined) continue;
    // proc_pid_stat(5): after the name, which can contain parentheses, come state, parent, …; num_threads is field 20
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") continue;
    const parent = Number(fields[1]);
    const list = children.get(parent) ?? [];
    list.push({ pid: Number(name), threads: Number(fields[17]) });
    children.set(parent, list);
  }
  const found = [...(children.get(root) ?? [])];
  for (const { pid } of found) found.push(...(children.get(pid) ?? []));
  return found.sort((one, other) => one.pid - other.pid);
}
