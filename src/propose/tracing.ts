/** Roles that trace processes, under a policy whose supervisor traces some, too. */
import { callByNumber } from "../abi/calls.ts";
import { isCreatingCall } from "../abi/process-calls.ts";
import { needsOf } from "../engines/notify/needs.ts";
import type { Program } from "../ir/program.ts";
import type { Permissions } from "./permissions.ts";

/**
 * `program` is the proposal. A task has one tracer (ptrace(2)), and `notify` traces a process that forks, if children have
 * state, and one whose memory it judges. The replay of a trace cannot show this.
 */
export function describeTracing({ calls }: Permissions, program: Program): readonly string[] {
  const use = calls.find(({ call }) => call === "ptrace");
  if (use === undefined) return [];
  const memory = program.observations.flatMap(({ sources }) =>
    sources.flatMap(({ number }) => callByNumber(program.architecture, number)?.name ?? []),
  );
  const forks = needsOf(program).births ? calls.map(({ call }) => call).filter(isCreatingCall) : [];
  const failing = [...new Set([...memory, ...forks])].sort();
  if (failing.length === 0) return [];
  const roles = [...use.byRole.keys()].map(({ name }) => name).join(", ");
  const lines = [
    `ptrace (${roles}): a task has one tracer, so in a traced process the supervisor (notify) denies ${failing.join(", ")}`,
  ];
  // No other detail has rules on memory, except on the flags of clone3.
  const isLeast = failing.every((call) => call === "clone3");
  return isLeast ? lines : [...lines, "  --detail calls --phases none makes a policy that denies at most clone3 there"];
}
