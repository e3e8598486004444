/** What is said when a tree has reached a limit that the kernel enforces (native/launcher/limit_watch.h), with the way to a higher one. */
import type { Ruleset } from "../../backend/landlock/rulesets.ts";
import { shellWord } from "../../diagnostics/shell-word.ts";
import { permitMore } from "../../events/permit.ts";
import type { PolicyDescription } from "../../events/record.ts";

/** A compiled policy. */
export interface Limited {
  readonly description: Pick<PolicyDescription, "settings">;
  readonly objects: readonly Ruleset[];
}

export function processesReached(policy: Limited | undefined, most: number): string {
  const text = `the tree had as many processes and threads as \`limits.processes\` permits (${most}): making another one fails with EAGAIN`;
  return `${text}${wayOut(policy, "processes")}`;
}

/** `number`: of a directory among all private ones of the policy. */
export function privateFull(policy: Limited | undefined, number: number): string {
  const directories = rulesOf(policy).flatMap((rule) => (rule.is === "private" ? [rule.path] : []));
  const text = `${directories[number] ?? "a private directory"} of the tree was full (\`limits.privateSize\`): writing more fails with ENOSPC`;
  return `${text}${wayOut(policy, "private-size")}`;
}

function wayOut(policy: Limited | undefined, limit: "processes" | "private-size"): string {
  const setting = rulesOf(policy).flatMap((rule) => (rule.is === limit ? [rule.setting] : []))[0];
  const permit = setting === undefined ? undefined : permitMore(policy?.description.settings, setting);
  return permit === undefined ? "" : `; to permit more: ${permit.map(shellWord).join(" ")}`;
}

const rulesOf = (policy: Limited | undefined) => (policy?.objects ?? []).flatMap(({ rules }) => rules);
