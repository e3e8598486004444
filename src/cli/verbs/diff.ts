/** `portcullis diff`: which calls, arguments and phases change verdict between two policies, and which recorded calls do. */
import type { Change, PolicyDifference } from "../../analysis/compare/compare.ts";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { architectureOption, missing, policyOptions, policyRequest } from "../policy/arguments.ts";
import { loadRequested, printDiagnostics } from "../policy/load.ts";
import type { RecordedDifference, RecordedDifferences } from "../recorded-difference.ts";
import { sourcesOf } from "../trace-events.ts";
import { failed, type Verb } from "../verb.ts";

export const diff: Verb = {
  name: "diff",
  synopsis: ["diff [OPTIONS] BEFORE AFTER [TRACE…]"],
  about: [
    "Compares the second policy with the first: which calls get other verdicts, for which arguments, and in which phases. Phases of the same name are compared one by one. Verdicts are compared by their action and errno; reasons and lines do not count.",
    "If state, memory behind pointers or arithmetic decides, diff shows all possible verdicts. It compares state by its declarations and by the calls that change it, and conditions on memory by their patterns, objects, blocks of addresses, ports and fields. It also compares whether files of /proc are read-only. So two policies that count differently can have no difference here. Rooms are compared by their sides, their timeout and their verdict for late calls, and by the calls that may enter each side.",
    "With traces, both policies are replayed over them, and recorded calls with different verdicts are listed.",
  ],
  options: {
    set: { ...policyOptions["set"]!, about: "The value of a parameter, of both policies." },
    json: { about: "Print one JSON object." },
    quiet: { short: "q", about: "Print nothing." },
    ...architectureOption,
  },
  complete: "policy",
  exit: [
    ["0", "No difference was found."],
    ["1", "The policies differ."],
    [String(failed), "A policy does not compile, or a trace cannot be read."],
  ],
  examples: [
    ["portcullis diff old.ts new.ts", "What does the change permit?"],
    ["portcullis diff old.ts new.ts nginx.trace", "And which recorded calls does it affect?"],
  ],
  async execute(invocation, context) {
    const [before, after, ...traces] = invocation.words;
    if (before === undefined || after === undefined) throw missing("a policy", "portcullis diff BEFORE AFTER");
    const load = (policy: string) => loadRequested(policyRequest(policy, invocation), context, { quiet: true });
    const [one, two] = [await load(before), await load(after)];
    const { comparePolicies } = await import("../../analysis/compare/compare.ts");
    const difference = comparePolicies(one.program, two.program);
    const recorded: (RecordedDifferences & { readonly file: string })[] = [];
    for (const file of traces) {
      const { recordedDifferences } = await import("../recorded-difference.ts");
      const trace = { file, isStrace: false };
      const { architecture } = one.program;
      const { warnings, ...found } = await recordedDifferences(one.program, two.program, trace, architecture);
      if (!invocation.has("quiet")) await printDiagnostics(warnings, sourcesOf(file, warnings), context);
      recorded.push({ file, ...found });
    }
    const differs =
      difference.calls.length + difference.state.length > 0 || recorded.some(({ list }) => list.length > 0);
    if (!invocation.has("quiet")) {
      const text = invocation.has("json")
        ? `${jsonText({ v: 1, before, after, ...difference, recorded })}\n`
        : [...printDifference(difference), ...recorded.flatMap(printRecorded)]
            .map((line) => `${safeText(line)}\n`)
            .join("");
      context.out(text);
    }
    return differs ? 1 : 0;
  },
};

function printDifference({ calls, state, joined }: PolicyDifference): string[] {
  const lines: string[] = [];
  if (joined) lines.push("the phases have too many combinations, and were compared all at once");
  for (const { compact, phases, changes } of calls) {
    const where = phases.length === 0 ? "" : ` (${phases.join("; ")})`;
    const [first] = changes;
    if (changes.length === 1 && first!.conditions.length === 0) {
      lines.push(`${compact.join(", ")}${where}: ${verdicts(first!)}`);
      continue;
    }
    lines.push(`${compact.join(", ")}${where}`);
    for (const change of changes) lines.push(`  ${change.conditions.join(", ") || "otherwise"}: ${verdicts(change)}`);
  }
  for (const { what, before, after } of state) {
    if (before === undefined) lines.push(`${what}: new: ${after}`);
    else if (after === undefined) lines.push(`${what}: gone: ${before}`);
    else lines.push(`${what}`, `  before: ${before}`, `  after:  ${after}`);
  }
  return lines;
}

function verdicts({ before, after, rooms }: Change): string {
  const [was, is] = [before.join(" or "), after.join(" or ")];
  if (rooms === undefined) return `${was} → ${is}`;
  const sides = (list: readonly string[]) => (list.length === 0 ? "no room" : list.join(", "));
  return `${was === is ? is : `${was} → ${is}`}; ${sides(rooms.before)} → ${sides(rooms.after)}`;
}

function printRecorded({ file, list, judged }: RecordedDifferences & { readonly file: string }): string[] {
  const count = list.reduce((sum, one) => sum + one.count, 0);
  if (count === 0) return [`${file}: the same verdict on all of ${judged.toLocaleString("en-US")} calls`];
  return [
    `${file}: other verdicts on ${count.toLocaleString("en-US")} of ${judged.toLocaleString("en-US")} calls`,
    ...list.map((one) => `  ${printOne(one)}`),
  ];
}

function printOne({ count, example, before, after, first, phases }: RecordedDifference): string {
  const same = phases.before.join() === phases.after.join();
  const where = same ? phases.before : [`${phases.before.join(", ")} → ${phases.after.join(", ")}`];
  return `${count.toLocaleString("en-US")} × ${example}: ${before} → ${after}${where.join("") === "" ? "" : ` (${where.join(", ")})`}, first at ${first}`;
}
