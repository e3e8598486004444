/**
 * The targets of the kernel's own program type, BPF_PROG_TYPE_SECCOMP: `seccomp`, with CAP_BPF, and `unprivileged`, the same
 * with at most 4,096 instructions (BPF_MAXINSNS). Neither has functions or loops: the type refuses loops without a bound
 * that the verifier can see, and accesses to a state object at an unknown offset. So a search of a table in a state object
 * is unrolled, and large tables are the kernel's hash maps.
 *
 * The context is `struct seccomp_data`; the program returns a SECCOMP_RET_… word. Time, identity, the number of living
 * processes and state come from helpers and kernel functions, which a body calls at its start. The program takes no lock:
 * if an evaluation needs exclusive state, the filter is attached with SECCOMP_EBPF_LOCK.
 *
 * `seccompStorage` describes the objects that the loader creates, `records.ts` the records that the program writes.
 */

import { callNumber } from "../../../abi/call-numbers.ts";
import { copyError } from "../../../abi/copy-errors.ts";
import type { DeclaredArgument } from "../../../abi/declared-arguments.ts";
import { errno } from "../../../abi/errno-numbers.ts";
import { cloneFlag } from "../../../abi/process-calls.ts";
import { returnAction, returnWord } from "../../../abi/return-word.ts";
import { type CircumstanceInput, type Input, isCircumstance } from "../../../ir/inputs.ts";
import type { Location } from "../../../ir/location.ts";
import type { Program } from "../../../ir/program.ts";
import { verdictWord } from "../../classic/verdict-word.ts";
import type { BodyBuilder } from "../graph/builder.ts";
import { Block, type GraphOperand, type Value } from "../graph/graph.ts";
import { architectureOffset, callContext, callFields } from "../lower/seccomp-data.ts";
import { type CellPlace, type EbpfTarget, TargetError } from "../lower/target.ts";
import { type BodyUse, countsAlive } from "../lower/uses.ts";
import { MemoryWords, mostBlocks, type RefuseUnjudged } from "../memory/words.ts";
import { parameterOffset, withParameters } from "./parameters.ts";
import { recordKind, recordLayout, refusals } from "./records.ts";
import {
  largestObject,
  type MappedPhases,
  ObjectTooLargeError,
  objectIndex,
  placeState,
  type StatePlaces,
  treeMapRegion,
} from "./state-objects.ts";
import type { TargetStorage } from "./storage.ts";

export interface SeccompTargetOptions {
  readonly unprivileged: boolean;
  /** Whether verdicts that are not a plain allow are recorded. Reports always are. */
  readonly reportsVerdicts: boolean;
}

export interface SeccompTarget extends EbpfTarget {
  /** With the tables that the bodies need that have been lowered. */
  storage(): TargetStorage;
  /** Whether a phase is mapped at a fork, so that the program must see calls that create processes. */
  readonly followsForks: boolean;
  /** The arguments that the kernel must copy for the lowered bodies, by number and argument. */
  declared(): readonly DeclaredArgument[];
}

/** BPF_MAXINSNS (include/uapi/linux/bpf_common.h): the limit of a program without CAP_BPF. */
const mostUnprivileged = 4096;

/**
 * The maps, in the order in which instructions name them. From `tables` on: those of tables that are maps, an array for
 * the tree's other state if it needs one, and one with the automata that the kernel runs.
 */
const maps = { launch: 0, events: 1, dropped: 2, tables: 3 } as const;
/** The launcher's token, then a word for each parameter. */
const launch = { token: 0, parameters: 16 } as const;
const eventsSize = 1 << 18;

/** `enum bpf_func_id` (include/uapi/linux/bpf.h). */
const helpers = { now: 5, reserve: 131, submit: 132 } as const;
const kernelFunctions = {
  state: "bpf_seccomp_state",
  who: "bpf_seccomp_pid_tgid",
  owner: "bpf_seccomp_uid_gid",
  alive: "bpf_seccomp_alive",
  expectChild: "bpf_seccomp_expect_child",
  enter: "bpf_seccomp_enter",
} as const;

/** `args[0]` of `struct seccomp_data`: clone's flags, on all architectures here. */
const firstArgument = 16;

/** For a list beyond the policy's bounds: the call fails as beyond the kernel's bounds, so no record is made. */
const tooLong = word(0, returnWord("ERRNO", copyError.longList));

/** Throws a TargetError if the state does not fit. */
export function seccompTarget(program: Program, options: SeccompTargetOptions): SeccompTarget {
  const name = options.unprivileged ? "unprivileged" : "seccomp";
  const needsAlive = countsAlive(program);
  const places = statePlaces(program, needsAlive, name);
  const memory = new MemoryWords(program, {
    target: { name },
    mostBlocks: mostBlocks[name],
    map: maps.tables + places.mapTables.length + (places.treeMap.size === 0 ? 0 : 1),
  });
  const parts = new SeccompParts(program, places, needsAlive, options, memory);
  const allow = BigInt(returnAction.ALLOW);
  return {
    name,
    processor: 4,
    architectureOffset,
    context: callContext,
    smallestContextLoad: 4,
    functions: false,
    ...(options.unprivileged ? { mostInstructions: mostUnprivileged } : {}),
    word: (_program, verdict) => word(verdict, verdictWord(program.verdicts[verdict]!)),
    always: returnAction.ALLOW,
    refused: word(refusals.refused, returnWord("ERRNO", errno.ENOSYS)),
    ...(options.reportsVerdicts
      ? {
          epilogue: {
            wants: (verdict) => BigInt.asUintN(32, verdict) !== allow,
            lower: (builder, verdict) => parts.epilogue(builder, verdict),
          },
        }
      : {}),
    before: (builder, _program, number) => parts.passLauncher(builder, number),
    open: (builder, use) => parts.open(builder, use),
    observed(builder, _program, word, { numbers, sources }) {
      const source = sources.get(program.words[word]!.observation);
      // No call of this body passes the argument.
      if (source === undefined) return builder.wide({ is: "value", value: 0n });
      return memory.word(builder, word, source, numbers, parts.refuseUnjudged(builder));
    },
    keepsPlaceForChild: (use) => needsAlive && use.makesProcesses !== "never",
    lockedAsAWhole: true,
    isShared: (region) => !region.startsWith("thread"),
    cell: (_program, cell) => places.cell(cell),
    parameter: (parameter) => ({ map: maps.launch, offset: parameterOffset(launch.parameters, parameter) }),
    table: (_program, table) =>
      places.table(table) ?? { in: "map", map: maps.tables + places.mapTables.indexOf(table) },
    enter: (builder, room, side) => builder.callKernel(kernelFunctions.enter, { immediate: room }, { immediate: side }),
    report: (builder, report, values, at) => parts.report(builder, report, values, at),
    storage: () => storage(program, places, memory.tables()),
    followsForks: places.mapped.length > 0,
    declared: () => memory.declared(),
  };
}

/** The word of a verdict: its index, above the kernel's return word. */
function word(which: number, returned: number): bigint {
  return (BigInt(which) << 32n) | BigInt(returned >>> 0);
}

function statePlaces(program: Program, needsAlive: boolean, name: string): StatePlaces {
  try {
    return placeState(program, needsAlive);
  } catch (error) {
    if (!(error instanceof ObjectTooLargeError)) throw error;
    throw new TargetError(
      { name },
      "the policy's state",
      `with the marks for the mapping of phases at a fork, it takes ${error.size} bytes, where the kernel has ${largestObject}`,
      { change: "declare less state" },
    );
  }
}

function storage(program: Program, { objects, treeMap, mapTables }: StatePlaces, automata: Uint8Array): TargetStorage {
  const word = { keySize: 4, capacity: 1, type: "array" } as const;
  return {
    states: objects,
    maps: [
      {
        ...word,
        name: "launch",
        holds: "launch",
        ...withParameters(program.parameters, launch.parameters, {
          fields: [{ name: "token", offset: launch.token, size: 8, count: 2 }],
          launch: [{ is: "token", offset: launch.token, size: 16 }],
        }),
      },
      {
        name: "events",
        type: "ring-buffer",
        keySize: 0,
        valueSize: 0,
        capacity: eventsSize,
        holds: "events",
        fields: [],
      },
      { ...word, name: "dropped", valueSize: 8, holds: "state", fields: [{ name: "records", offset: 0, size: 8 }] },
      ...mapTables.map((table, index) => ({
        name: `table_${index}`,
        type: "hash" as const,
        keySize: 8,
        valueSize: 8,
        capacity: program.tables[table]!.capacity,
        holds: "state" as const,
        fields: [],
      })),
      ...(treeMap.size === 0
        ? []
        : [{ ...word, name: "tree", valueSize: treeMap.size, holds: "state" as const, fields: treeMap.fields }]),
      ...(automata.length === 0
        ? []
        : [
            {
              ...word,
              name: "automata",
              valueSize: automata.length,
              holds: "constants" as const,
              fields: [{ name: "tables", offset: 0, size: 1, count: automata.length } as const],
              initial: [automata],
            },
          ]),
    ],
  };
}

type Refuse = (
  condition: "equal" | "not-equal" | "greater-signed",
  left: Value,
  right: GraphOperand,
  verdict: bigint,
) => void;

class SeccompParts {
  readonly #program: Program;
  readonly #places: StatePlaces;
  readonly #needsAlive: boolean;
  readonly #options: SeccompTargetOptions;
  readonly #memory: MemoryWords;

  constructor(
    program: Program,
    places: StatePlaces,
    needsAlive: boolean,
    options: SeccompTargetOptions,
    memory: MemoryWords,
  ) {
    this.#memory = memory;
    this.#program = program;
    this.#places = places;
    this.#needsAlive = needsAlive;
    this.#options = options;
  }

  /**
   * Allows the launcher's own execve, which carries the token in registers that execve does not use, before the policy.
   * A token of zeros matches no call.
   */
  passLauncher(builder: BodyBuilder, number: number): void {
    if (number !== callNumber("execve", this.#program.architecture)) return;
    const elsewhere = new Block();
    const follow = (condition: "equal" | "not-equal", left: Value, right: GraphOperand): void => {
      const next = new Block();
      builder.branch(condition, left, right, next, elsewhere);
      builder.current = next;
    };
    const first = builder.load(8, "context", 48);
    follow("not-equal", first, { immediate: 0 });
    const token = builder.wide({ is: "map-value", map: maps.launch, offset: launch.token });
    follow("equal", first, { value: builder.load(8, token, 0) });
    const second = builder.load(8, "context", 56);
    follow("equal", second, { value: builder.load(8, token, 8) });
    builder.exit({ immediate: returnAction.ALLOW });
    builder.current = elsewhere;
  }

  // ── Start of a body ────────────────────────────────────────────────────────────────────────────────────────────────

  open(builder: BodyBuilder, use: BodyUse): void {
    const places = this.#places;
    const mapped = places.mapped.filter(
      ({ cells }) => use.makesProcesses !== "never" || cells.some((cell) => use.cells.has(cell)),
    );
    const regions = new Set<string>();
    for (const cell of use.cells) regions.add(places.cell(cell).region);
    for (const table of use.tables) regions.add(places.table(table)?.region ?? "tree");
    for (const { copied, fresh } of mapped) regions.add(copied.region).add(fresh.region);
    const refuse = this.#refusals(builder);
    for (const region of regions) {
      if (region === treeMapRegion) {
        const base = builder.wide({ is: "map-value", map: maps.tables + places.mapTables.length, offset: 0 });
        builder.state.set(region, { base, offset: 0 });
        continue;
      }
      const index = objectIndex(places, region);
      const size = { immediate: places.objects[index]!.size };
      const base = builder.callKernel(kernelFunctions.state, { immediate: index }, size);
      refuse("equal", base, { immediate: 0 }, word(refusals.noState, returnWord("ERRNO", errno.ENOSYS)));
      builder.state.set(region, { base, offset: 0 });
    }
    this.#openMemory(builder, use, refuse);
    for (const phases of mapped) this.#mapPhases(builder, phases);
    this.#readInputs(builder, use.inputs, refuse);
    this.#countAlive(builder, use);
  }

  /** Before anything changes state: what follows is not judged. */
  #openMemory(builder: BodyBuilder, { sources }: BodyUse, refuse: Refuse): void {
    for (const [observation, source] of sources)
      this.#memory.open(builder, observation, source, this.refuseUnjudged(builder, refuse));
  }

  refuseUnjudged(builder: BodyBuilder, refuse = this.#refusals(builder)): RefuseUnjudged {
    const unseen = word(refusals.unseen, returnWord("ERRNO", errno.EPERM));
    return (condition, left, right, why) => refuse(condition, left, right, why === "unseen" ? unseen : tooLong);
  }

  /** Refuses if a condition holds, and continues if it does not. */
  #refusals(builder: BodyBuilder): Refuse {
    const ends = new Map<bigint, Block>();
    return (condition, left, right, verdict) => {
      const next = new Block();
      const end = ends.get(verdict) ?? new Block();
      builder.branch(condition, left, right, end, next);
      if (!ends.has(verdict)) {
        ends.set(verdict, end);
        builder.current = end;
        if (this.#options.reportsVerdicts && verdict !== tooLong)
          builder.finish(builder.value(builder.constant(verdict)));
        else builder.exit({ immediate: Number(BigInt.asIntN(32, verdict)) });
      }
      builder.current = next;
    };
  }

  #readInputs(builder: BodyBuilder, inputs: ReadonlySet<Input>, refuse: Refuse): void {
    const sources = new Set(
      [...inputs].map((input) => (isCircumstance(input) ? circumstanceSources[input] : "context")),
    );
    if (sources.has("clock")) builder.inputs.set("now", builder.callHelper(helpers.now));
    if (sources.has("who")) {
      const both = builder.callKernel(kernelFunctions.who);
      refuse("equal", both, { immediate: 0 }, word(refusals.invisible, returnWord("ERRNO", errno.EPERM)));
      this.#halves(builder, both, { low: "tid", high: "pid" }, inputs);
    }
    if (sources.has("owner")) {
      const both = builder.callKernel(kernelFunctions.owner);
      this.#halves(builder, both, { low: "uid", high: "gid" }, inputs);
    }
  }

  /**
   * The number of living processes. A call that creates a process reserves a place for it in the same step; otherwise
   * other calls would count one too few until the child counts itself.
   */
  #countAlive(builder: BodyBuilder, { inputs, makesProcesses }: BodyUse): void {
    const isAsked = inputs.has("alive");
    if (!isAsked && !(this.#needsAlive && makesProcesses !== "never")) return;
    const index = { immediate: objectIndex(this.#places, "tree") };
    const ask = (kernelFunction: string): Value => builder.callKernel(kernelFunction, index);
    let alive: Value;
    if (makesProcesses === "unless-thread") {
      alive = builder.fresh();
      const [thread, process, after] = [new Block(), new Block(), new Block()];
      const flags = builder.load(4, "context", firstArgument);
      builder.branch("any-bit", flags, { immediate: Number(cloneFlag.thread) }, thread, process, 32);
      builder.current = thread;
      if (isAsked) builder.copy(ask(kernelFunctions.alive), alive);
      builder.goto(after);
      builder.current = process;
      builder.copy(ask(kernelFunctions.expectChild), alive);
      builder.goto(after);
      builder.current = after;
    } else {
      alive = ask(makesProcesses === "always" ? kernelFunctions.expectChild : kernelFunctions.alive);
    }
    if (isAsked) builder.inputs.set("alive", builder.arithmetic("or", alive, { immediate: 0 }, 32));
  }

  #halves(
    builder: BodyBuilder,
    both: Value,
    { low, high }: { readonly low: Input; readonly high: Input },
    inputs: ReadonlySet<Input>,
  ): void {
    if (inputs.has(low)) builder.inputs.set(low, builder.arithmetic("or", both, { immediate: 0 }, 32));
    if (inputs.has(high)) builder.inputs.set(high, builder.arithmetic("shift-right", both, { immediate: 32 }));
  }

  /** In the first evaluation of a child: maps each phase. */
  #mapPhases(builder: BodyBuilder, { cells, copied, fresh }: MappedPhases): void {
    const [first, child, mark, after] = [new Block(), new Block(), new Block(), new Block()];
    const copiedBase = builder.state.get(copied.region)!.base;
    const freshBase = builder.state.get(fresh.region)!.base;
    builder.branch("not-equal", builder.load(8, freshBase, fresh.offset), { immediate: 0 }, after, first);
    builder.current = first;
    builder.branch("equal", builder.load(8, copiedBase, copied.offset), { immediate: 0 }, mark, child);
    builder.current = child;
    for (const cell of cells) this.#mapPhase(builder, this.#places.cell(cell), cell);
    builder.goto(mark);
    builder.current = mark;
    builder.store(8, copiedBase, copied.offset, { immediate: 1 });
    builder.store(8, freshBase, fresh.offset, { immediate: 1 });
    builder.goto(after);
    builder.current = after;
  }

  #mapPhase(builder: BodyBuilder, { region, offset, bias }: CellPlace, cell: number): void {
    const { onFork } = this.#program.cells[cell]!;
    if (typeof onFork !== "object") throw new TypeError("no map");
    const { base } = builder.state.get(region)!;
    const stored = builder.load(8, base, offset);
    const after = new Block();
    onFork.map.forEach((phase, parent) => {
      const [this_, next] = [new Block(), new Block()];
      builder.branch("equal", stored, builder.constant(BigInt.asUintN(64, BigInt(parent) - bias)), this_, next);
      builder.current = this_;
      builder.store(8, base, offset, builder.constant(BigInt.asUintN(64, BigInt(phase) - bias)));
      builder.goto(after);
      builder.current = next;
    });
    builder.goto(after);
    builder.current = after;
  }

  // ── Records ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Records a verdict that is not a plain allow, and returns it. */
  epilogue(builder: BodyBuilder, verdict: Value): void {
    const [recorded, exit] = [new Block(), new Block()];
    // The low half is the program's result, and 32-bit instructions read only that.
    builder.branch("equal", verdict, { immediate: returnAction.ALLOW }, exit, recorded, 32);
    builder.current = recorded;
    const index = (): GraphOperand => {
      const which = builder.arithmetic("shift-right", verdict, { immediate: 32 });
      // The strictness may be above it.
      return { value: builder.arithmetic("and", which, { immediate: 0xff_ffff }) };
    };
    this.#tell(builder, recordKind.verdict, index, { value: verdict }, []);
    builder.goto(exit);
    builder.current = exit;
    builder.exit({ value: verdict });
  }

  report(builder: BodyBuilder, report: number, values: readonly GraphOperand[], at: Location | undefined): void {
    const back = builder.at;
    builder.at = at ?? back;
    this.#tell(builder, recordKind.report, () => ({ immediate: report }), { immediate: 0 }, values);
    builder.at = back;
  }

  /** `which` is computed once there is room for the record. */
  #tell(
    builder: BodyBuilder,
    kind: number,
    which: () => GraphOperand,
    returned: GraphOperand,
    values: readonly GraphOperand[],
  ): void {
    const size = { immediate: recordLayout.size + 8 * values.length };
    const ring = { wide: { is: "map", map: maps.events } } as const;
    const record = builder.callHelper(helpers.reserve, ring, size, { immediate: 0 });
    const [there, full, after] = [new Block(), new Block(), new Block()];
    builder.branch("equal", record, { immediate: 0 }, full, there);
    builder.current = full;
    const dropped = builder.wide({ is: "map-value", map: maps.dropped, offset: 0 });
    builder.atomicAdd(dropped, 0, { immediate: 1 });
    builder.goto(after);
    builder.current = there;
    builder.store(4, record, recordLayout.kind, { immediate: kind });
    builder.store(4, record, recordLayout.which, which());
    builder.store(4, record, recordLayout.returned, returned);
    builder.store(4, record, recordLayout.values, { immediate: values.length });
    for (const { offset, size } of callFields)
      builder.store(size, record, recordLayout.call + offset, { value: builder.load(size, "context", offset) });
    values.forEach((value, index) => {
      builder.store(8, record, recordLayout.size + 8 * index, value);
    });
    // At last, so that few values live across these calls: each callee-saved register that a program uses costs every call
    // two instructions.
    const now = builder.inputs.get("now") ?? builder.callHelper(helpers.now);
    builder.store(8, record, recordLayout.now, { value: now });
    builder.store(8, record, recordLayout.tid, { value: builder.callKernel(kernelFunctions.who) });
    builder.callVoidHelper(helpers.submit, { value: record }, { immediate: 0 });
    builder.goto(after);
    builder.current = after;
  }
}

/** The source of each circumstance: a helper, or a kernel function. `#countAlive` counts living processes. */
const circumstanceSources: { readonly [I in CircumstanceInput]: "clock" | "who" | "owner" | "count" } = {
  now: "clock",
  pid: "who",
  tid: "who",
  uid: "owner",
  gid: "owner",
  alive: "count",
};
