/** Prints lists of calls, by name or by group. */
import type { ArchitectureName } from "../../abi/architecture.ts";
import { callByName, callByNumber } from "../../abi/calls.ts";
import { groups } from "../../abi/groups.ts";

export function callName(architecture: ArchitectureName, number: number): string {
  return callByNumber(architecture, number)?.name ?? `call ${number}`;
}

/**
 * Short form of a list: whole groups by name, the largest first, then the remaining calls in the given order. A group
 * counts as whole if the list has all of its calls that the architecture has and the policy judges.
 */
export function compactCalls(
  names: readonly string[],
  architecture: ArchitectureName,
  judged: ReadonlySet<string>,
): string[] {
  if (names.length < 4) return [...names];
  const left = new Set(names);
  let found: { readonly name: string; readonly members: readonly string[] }[] = [];
  const bySize = [...groups()]
    .map(([name, members]) => ({
      name: name.startsWith("@") ? name : `@${name}`,
      members: members.filter((member) => judged.has(member) && callByName(member)?.number[architecture] !== undefined),
    }))
    .sort((a, b) => b.members.length - a.members.length);
  for (const { name, members } of bySize) {
    if (members.length < 3 || !members.every((member) => names.includes(member))) continue;
    // A group with fewer than three new calls would not shorten the line.
    if (members.filter((member) => left.has(member)).length < 3) continue;
    found.push({ name, members });
    for (const member of members) left.delete(member);
  }
  // The smaller groups can have all of a larger one: @self lies in @default and @signal.
  for (const one of [...found]) {
    const others = found.filter((other) => other !== one);
    const covered = new Set(others.flatMap(({ members }) => members));
    if (one.members.every((member) => covered.has(member))) found = others;
  }
  return [...found.map(({ name }) => name), ...left];
}
