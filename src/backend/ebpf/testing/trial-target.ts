/**
 * The target of tests: a program of type BPF_PROG_TYPE_SYSCALL, run by BPF_PROG_TEST_RUN (kernel/bpf/syscall.c,
 * `bpf_prog_test_run_syscall`). The context has all inputs of an evaluation, so traces can be replayed:
 *
 * ```
 *   0  struct seccomp_data          64  now (u64)   72  alive (u64)
 *  80  pid  84  tid  88  uid  92  gid   (u32 each)
 *  96  thread slot  100  process slot   (u32 each)
 * 104  number of reports so far (u32)
 * 112  a place for each report statement: u32 its turn (1, 2, …; 0: it did not run), u32 which report, u64 each value
 *      number of entered rooms (u32), and for each of `Program.rooms` 1 + its side, or 0 (u32)
 *      the words of observations (u64 each)
 * ```
 *
 * It returns the index of the verdict, or one of `refusals`.
 *
 * State is in array maps, one for each scope; the values of threads and processes by slot. Behind the state of the tree,
 * or of each process if the tree has none, is a `struct bpf_spin_lock`. An evaluation that needs exclusive state holds it;
 * no helper may be called meanwhile (tried on 6.18: "function calls are not allowed while holding a lock"), so the program
 * calls helpers before.
 */

import type { CircumstanceInput } from "../../../ir/inputs.ts";
import { maximumEnteredRooms } from "../../../ir/limits.ts";
import type { Program, Scope } from "../../../ir/program.ts";
import { forEachStatement } from "../../../ir/traverse.ts";
import type { BodyBuilder } from "../graph/builder.ts";
import { Block, type Value } from "../graph/graph.ts";
import { architectureOffset, type ContextField, callContext } from "../lower/seccomp-data.ts";
import type { EbpfTarget } from "../lower/target.ts";
import type { BodyUse } from "../lower/uses.ts";
import { tableShape, tableSize } from "../tables/shape.ts";
import { stateOffsets } from "../tables/state.ts";
import { parameterOffset, withParameters } from "../targets/parameters.ts";
import type { MapDescription, MapField, TargetStorage } from "../targets/storage.ts";

/** Results for calls that never reach the policy. No policy has so many verdicts. */
export const refusals = { always: 0x7000_0000, refused: 0x7000_0001, noState: 0x7000_0002 } as const;

export const circumstanceContext: { readonly [I in CircumstanceInput]: ContextField } = {
  now: { offset: 64, size: 8 },
  alive: { offset: 72, size: 8 },
  pid: { offset: 80, size: 4 },
  tid: { offset: 84, size: 4 },
  uid: { offset: 88, size: 4 },
  gid: { offset: 92, size: 4 },
};

export const trialContext = { threadSlot: 96, processSlot: 100, reportCount: 104, reports: 112 } as const;

/** The bytes of a report statement's place: enough for the report with the most values. */
export function reportStride(program: Program): number {
  return 8 * (1 + Math.max(0, ...program.reports.map((report) => report.values.length)));
}

/** The size of the context. */
export function trialContextSize(program: Program): number {
  return trialWords(program) + 8 * program.words.length;
}

/** The offset of the words of observations in the context. */
function trialWords(program: Program): number {
  const rooms = program.rooms.length;
  return trialRooms(program) + (rooms === 0 ? 0 : Math.ceil((4 + 4 * rooms) / 8) * 8);
}

/** The offset of the rooms in the context. */
export function trialRooms(program: Program): number {
  let statements = 0;
  forEachStatement(program.body, (statement) => {
    if (statement.kind === "report") statements += 1;
  });
  return trialContext.reports + statements * reportStride(program);
}

/**
 * The maps of a program for this target, in the order in which instructions name them. `secret` has three words, and
 * behind them one for each parameter.
 */
export const trialMaps = ["thread", "process", "tree", "secret"] as const;
const secretSize = 24;

/**
 * Those maps, with room for the state of `slots` threads and processes, each in its initial state.
 */
export function trialStorage(program: Program, slots = 1): TargetStorage {
  const { cells, tables, sizes } = stateOffsets(program);
  const map = (scope: Scope): MapDescription => {
    const initial = new BigUint64Array(sizes[scope] / 8 + 1);
    program.cells.forEach((cell, index) => {
      if (cell.scope === scope) initial[cells[index]! / 8] = cell.initial;
    });
    const fields: MapField[] = [
      ...program.cells.map(({ name }, index) => ({ name, offset: cells[index]!, size: 8 as const })),
      ...program.tables.map(({ name }, index) => {
        const count = tableSize(tableShape(program.tables[index]!)) / 8;
        return { name, offset: tables[index]!, size: 8 as const, count };
      }),
    ].filter((_, index) => [...program.cells, ...program.tables][index]!.scope === scope);
    const capacity = scope === "tree" ? 1 : slots;
    return {
      name: scope,
      type: "array",
      keySize: 4,
      valueSize: initial.byteLength,
      capacity,
      holds: "state",
      fields,
      ...(lockedScope(program) === scope ? { lock: sizes[scope] } : {}),
      initial: Array.from({ length: capacity }, () => new Uint8Array(initial.buffer)),
    };
  };
  const secret: MapDescription = {
    name: "secret",
    type: "array",
    keySize: 4,
    capacity: 1,
    holds: "launch",
    ...withParameters(program.parameters, secretSize, {
      fields: [{ name: "secret", offset: 0, size: 8, count: 3 }],
      launch: [{ is: "secret", offset: 0, size: secretSize }],
    }),
  };
  return { maps: trialMaps.map((name) => (name === "secret" ? secret : map(name))), states: [] };
}

/** The scope whose value has the lock, behind the state. */
function lockedScope(program: Program): Scope {
  return stateOffsets(program).sizes.tree > 0 ? "tree" : "process";
}

/** `bpf_map_lookup_elem`, `bpf_spin_lock`, `bpf_spin_unlock` (include/uapi/linux/bpf.h). */
const helpers = { lookupElement: 1, lock: 93, unlock: 94 } as const;

function scopesOf({ program, cells, tables, locked }: BodyUse): ReadonlySet<Scope> {
  const scopes = new Set<Scope>();
  for (const cell of cells) scopes.add(program.cells[cell]!.scope);
  for (const table of tables) scopes.add(program.tables[table]!.scope);
  if (locked) scopes.add(lockedScope(program));
  return scopes;
}

function onLock(builder: BodyBuilder, program: Program, helper: number): void {
  const scope = lockedScope(program);
  const { base, offset } = builder.state.get(scope)!;
  const lock = offset + stateOffsets(program).sizes[scope];
  builder.callVoidHelper(helper, { addressOf: builder.baseValue(base), offset: lock });
}

export const trialTarget: EbpfTarget = {
  name: "trial",
  processor: 4,
  architectureOffset,
  context: { ...callContext, ...circumstanceContext },
  smallestContextLoad: 1,
  functions: true,
  word: (_program, verdict) => BigInt(verdict),
  always: refusals.always,
  refused: BigInt(refusals.refused),
  open(builder, use) {
    const scopes = scopesOf(use);
    for (const scope of ["thread", "process"] as const) {
      if (!scopes.has(scope)) continue;
      const slot = builder.load(4, "context", trialContext[`${scope}Slot`]);
      const key = builder.stackRoom(8);
      builder.store(4, "stack", key, { value: slot });
      const map = { wide: { is: "map", map: trialMaps.indexOf(scope) } } as const;
      const base: Value = builder.callHelper(helpers.lookupElement, map, { stackAddress: key });
      const [there, missing] = [new Block(), new Block()];
      builder.branch("not-equal", base, { immediate: 0 }, there, missing);
      builder.current = missing;
      builder.exit({ immediate: refusals.noState });
      builder.current = there;
      builder.state.set(scope, { base, offset: 0 });
    }
    if (scopes.has("tree")) {
      const base = builder.wide({ is: "map-value", map: trialMaps.indexOf("tree"), offset: 0 });
      builder.state.set("tree", { base, offset: 0 });
    }
    if (use.locked) onLock(builder, use.program, helpers.lock);
  },
  lockedAsAWhole: false,
  close: (builder, { program }) => onLock(builder, program, helpers.unlock),
  isShared: (region) => region !== "thread",
  cell: (program, cell) => ({
    region: program.cells[cell]!.scope,
    offset: stateOffsets(program).cells[cell]!,
    bias: 0n,
  }),
  observed: (builder, program, word) => builder.load(8, "context", trialWords(program) + 8 * word),
  parameter: (parameter) => ({ map: trialMaps.indexOf("secret"), offset: parameterOffset(secretSize, parameter) }),
  table(program, table) {
    const { tables, shapes } = stateOffsets(program);
    return { in: "memory", region: program.tables[table]!.scope, offset: tables[table]!, shape: shapes[table]! };
  },
  tableSecret: { map: trialMaps.indexOf("secret"), offset: 0 },
  enter(builder, room, side, program) {
    const count = trialRooms(program);
    const place = count + 4 + 4 * room;
    const [isFree, take, same, refused, after] = [new Block(), new Block(), new Block(), new Block(), new Block()];
    const result = builder.fresh();
    const before = builder.load(4, "context", place);
    const other = new Block();
    builder.branch("equal", before, { immediate: 1 + side }, same, other, 32);
    builder.current = other;
    builder.branch("equal", before, { immediate: 0 }, isFree, refused, 32);
    builder.current = isFree;
    const entered = builder.load(4, "context", count);
    builder.branch("equal", entered, { immediate: maximumEnteredRooms }, refused, take, 32);
    builder.current = take;
    builder.store(4, "context", place, { immediate: 1 + side });
    builder.store(4, "context", count, { value: builder.arithmetic("add", entered, { immediate: 1 }) });
    builder.goto(same);
    builder.current = same;
    builder.set(result, { immediate: 0 });
    builder.goto(after);
    builder.current = refused;
    builder.set(result, { immediate: 1 });
    builder.goto(after);
    builder.current = after;
    return result;
  },
  report(builder, report, values, _at, program) {
    const place = trialContext.reports + builder.reportStatements * reportStride(program);
    builder.reportStatements += 1;
    const before = builder.load(4, "context", trialContext.reportCount);
    const turn = builder.arithmetic("add", before, { immediate: 1 });
    builder.store(4, "context", trialContext.reportCount, { value: turn });
    builder.store(4, "context", place, { value: turn });
    builder.store(4, "context", place + 4, { immediate: report });
    values.forEach((value, index) => {
      builder.store(8, "context", place + 8 * (index + 1), value);
    });
  },
};
