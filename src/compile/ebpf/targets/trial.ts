/**
 * The target of tests and trials: a program of type BPF_PROG_TYPE_SYSCALL, run by BPF_PROG_TEST_RUN (kernel/bpf/syscall.c,
 * `bpf_prog_test_run_syscall`). Everything an evaluation is told stands in its context, so that traces replay:
 *
 * ```
 *   0  struct seccomp_data          64  now (u64)   72  alive (u64)
 *  80  pid  84  tid  88  uid  92  gid   (u32 each)
 *  96  thread slot  100  process slot   (u32 each)
 * 104  number of reports so far (u32)
 * 112  a place for each report statement: u32 its turn (1, 2, …; 0: it did not run), u32 which report, u64 each value
 * ```
 *
 * It returns the index of the verdict, or one of `refusals`.
 */
import type { Program } from "../../../ir/program.ts";
import { forEachStatement } from "../../../ir/traverse.ts";
import { Block, type Value } from "../graph.ts";
import { stateOffsets } from "../state.ts";
import type { EbpfTarget } from "../target.ts";

/** Results for what never reaches the policy. No policy has so many verdicts. */
export const refusals = { always: 0x7000_0000, refused: 0x7000_0001, noState: 0x7000_0002 } as const;

export const trialContext = { threadSlot: 96, processSlot: 100, reportCount: 104, reports: 112 } as const;

/** The bytes of a report statement's place: enough for the report with the most values. */
export function reportStride(program: Program): number {
  return 8 * (1 + Math.max(0, ...program.reports.map((report) => report.values.length)));
}

/** How large the context must be. */
export function trialContextSize(program: Program): number {
  let statements = 0;
  forEachStatement(program.body, (statement) => {
    if (statement.kind === "report") statements += 1;
  });
  return trialContext.reports + statements * reportStride(program);
}

/** The maps of a program for this target, in the order in which instructions name them. */
export const trialMaps = ["thread", "process", "tree"] as const;

const lookupElement = 1;

export const trialTarget: EbpfTarget = {
  name: "trial",
  processor: 4,
  architectureOffset: 4,
  context: {
    number: { offset: 0, size: 4 },
    instructionPointer: { offset: 8, size: 8 },
    argument0: { offset: 16, size: 8 },
    argument1: { offset: 24, size: 8 },
    argument2: { offset: 32, size: 8 },
    argument3: { offset: 40, size: 8 },
    argument4: { offset: 48, size: 8 },
    argument5: { offset: 56, size: 8 },
    now: { offset: 64, size: 8 },
    alive: { offset: 72, size: 8 },
    pid: { offset: 80, size: 4 },
    tid: { offset: 84, size: 4 },
    uid: { offset: 88, size: 4 },
    gid: { offset: 92, size: 4 },
  },
  narrowContextLoads: true,
  result: (_program, verdict) => verdict,
  always: refusals.always,
  refused: refusals.refused,
  openState(builder, scopes) {
    for (const scope of ["thread", "process"] as const) {
      if (!scopes.has(scope)) continue;
      const slot = builder.load(4, "context", trialContext[`${scope}Slot`]);
      const key = builder.stackRoom(8);
      builder.store(4, "stack", key, { value: slot });
      const map = { wide: { is: "map", map: trialMaps.indexOf(scope) } } as const;
      const base: Value = builder.callHelper(lookupElement, map, { stackAddress: key });
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
  },
  cell: (program, cell) => ({ scope: program.cells[cell]!.scope, offset: stateOffsets(program).cells[cell]! }),
  table(program, table) {
    const { tables, shapes } = stateOffsets(program);
    return { scope: program.tables[table]!.scope, offset: tables[table]!, shape: shapes[table]! };
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
