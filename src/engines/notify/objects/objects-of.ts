/** The objects that a policy compares paths with: `resolved.is(…)` and `resolved.under(…)`. */
import type { ObservedWord, ResolvedObject } from "../../../ir/observation.ts";
import type { Program } from "../../../ir/program.ts";

/** Equal objects have equal keys. */
export function keyOf({ is, path }: ResolvedObject): string {
  return `${is} ${path}`;
}

/** By observation. */
export function objectsOf(words: readonly ObservedWord[]): ReadonlyMap<number, readonly ResolvedObject[]> {
  const found = new Map<number, ResolvedObject[]>();
  for (const { observation, reads } of words) {
    if (reads.is !== "resolved") continue;
    const objects = found.get(observation) ?? [];
    objects.push(...reads.objects);
    found.set(observation, objects);
  }
  return found;
}

/** Whether the policy asks about the object that a path leads to. */
export function asksForObjects({ words }: Pick<Program, "words">): boolean {
  return words.some(({ reads }) => reads.is === "resolved");
}
