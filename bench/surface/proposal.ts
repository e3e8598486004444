/** The policy that `portcullis propose` makes of a server's recordings, and its figures. */
import { spawnSync } from "node:child_process";

/** A role, with one phase or several. */
export interface ProposedRole {
  readonly name: string;
  readonly processes: number;
  /** "the second listen"; undefined if the role has one phase. */
  readonly trigger: string | undefined;
  /** The number of calls that the policy allows in each of its phases. */
  readonly allowed: readonly { readonly phase: string; readonly calls: number }[];
}

export interface Proposal {
  /** The number of call names that it allows in some phase. */
  readonly names: number;
  readonly roles: readonly ProposedRole[];
  /** The share of the recorded calls that a supervisor would judge. */
  readonly supervised: number;
}

/** The members of `propose --json` (docs/propose.md) that this module reads. */
interface Figures {
  readonly calls: number;
  readonly supervised: number;
  readonly roles: readonly {
    readonly name: string;
    readonly processes: number;
    readonly hasPhases: boolean;
    readonly triggers: readonly {
      readonly call: string;
      readonly argument?: string;
      readonly value?: string;
      readonly nth: number;
    }[];
  }[];
  /** A role without a trigger has no phases. */
  readonly rules: readonly { readonly allowed: readonly { readonly role: string; readonly phase?: string }[] }[];
}

/**
 * Programs return memory and wait for locks at moments that no load determines, so the policy allows the usual calls of
 * that.
 */
export const options = ["--with", "memory"];

/** @throws Error if `propose` fails, or the policy refuses a call of its own recordings */
export function propose(policy: string, traces: readonly string[]): Proposal {
  const words = ["propose", "-q", "--json", "--no-validate", ...options, "-o", policy, ...traces];
  const ran = spawnSync("bin/portcullis", words, { encoding: "utf8", maxBuffer: 1 << 28 });
  if (ran.status !== 0) throw new Error(`portcullis ${words.join(" ")}: ${ran.stderr}`);
  return proposalOf(JSON.parse(ran.stdout) as Figures);
}

export function proposalOf({ calls, supervised, roles, rules }: Figures): Proposal {
  const allowed = new Map<string, Map<string, number>>();
  for (const rule of rules) {
    for (const { role, phase = "always" } of rule.allowed) {
      const phases = allowed.get(role) ?? new Map<string, number>();
      allowed.set(role, phases.set(phase, (phases.get(phase) ?? 0) + 1));
    }
  }
  return {
    names: rules.length,
    supervised: calls === 0 ? 0 : supervised / calls,
    roles: roles.map(({ name, processes, hasPhases, triggers: [trigger] }) => ({
      name,
      processes,
      trigger: hasPhases && trigger !== undefined ? describe(trigger) : undefined,
      allowed: [...(allowed.get(name) ?? [])].map(([phase, count]) => ({ phase, calls: count })),
    })),
  };
}

const ordinals = ["first", "second", "third", "fourth"];

function describe({ call, argument, value, nth }: Figures["roles"][number]["triggers"][number]): string {
  return `the ${ordinals[nth - 1] ?? `${nth}th`} \`${call}${argument === undefined ? "" : `(${argument} ${value})`}\``;
}
