/** The call numbers that a program compares, and some others. */
import type { Program } from "../../src/ir/program.ts";

export function askedNumbers(program: Program): readonly bigint[] {
  const found = new Set<bigint>([0n, 1n, 2n, 3n, 8n]);
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      node.forEach(visit);
      return;
    }
    if (typeof node !== "object" || node === null) return;
    const one = node as Record<string, unknown>;
    const asks = (side: unknown) => (side as { input?: unknown } | undefined)?.input === "number";
    if (one["kind"] === "within" && asks(one["value"])) addIntervals(one["intervals"]);
    if (one["kind"] === "switch" && asks(one["value"])) {
      for (const arm of one["arms"] as { intervals: unknown }[]) addIntervals(arm.intervals);
    }
    if (one["kind"] === "compare") {
      for (const [a, b] of [
        [one["left"], one["right"]],
        [one["right"], one["left"]],
      ]) {
        const constant = (b as { value?: unknown }).value;
        if (asks(a) && typeof constant === "bigint") found.add(constant);
      }
    }
    Object.values(one).forEach(visit);
  };
  const addIntervals = (intervals: unknown) => {
    for (const { from, to } of intervals as { from: bigint; to: bigint }[]) found.add(from).add(to);
  };
  visit(program.body);
  const judged = (number: bigint) => program.admission.judged.some(({ from, to }) => from <= number && number <= to);
  return [...found].filter(judged);
}
