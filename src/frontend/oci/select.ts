/**
 * Selects the rules of a profile that apply to this machine and container (moby's and containers/common's
 * `setupSeccomp`).
 */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { strictness } from "../../ir/verdicts.ts";
import type { KernelVersion, OciAction, OciHost, OciRule } from "./profile.ts";
import type { OciReader } from "./reader.ts";
import { parseKernelVersion } from "./schema.ts";

/** Docker uses Go's names of architectures. */
const goNames: { readonly [A in ArchitectureName]: string } = { x86_64: "amd64", aarch64: "arm64" };

/** The oldest kernel that an engine supports. */
const oldestKernel: KernelVersion = { major: 5, minor: 9 };

export interface SelectedRule {
  readonly rule: OciRule;
  /** False if it depends on an unknown kernel whether the rule applies. */
  readonly isCertain: boolean;
}

/**
 * The rules that apply to this machine. A rule that depends on an unknown kernel stays if it is no weaker than the
 * default action, and is dropped otherwise: the result is never weaker than the profile on any kernel (decisions.ts).
 */
export function selectRules(
  rules: readonly OciRule[],
  defaultAction: OciAction,
  host: OciHost,
  reader: OciReader,
): SelectedRule[] {
  noteCapabilities(rules, host, reader);
  return rules.flatMap((rule): SelectedRule[] => {
    const applies = applicability(rule, host);
    if (applies === "no") return [];
    if (applies === "yes") return [{ rule, isCertain: true }];
    const isKept = strictness[rule.action.action] >= strictness[defaultAction.action];
    const at = rule.includes.minKernel?.at ?? rule.excludes.minKernel?.at ?? rule.at;
    reader.report(
      "P0701",
      at,
      isKept
        ? "the kernel is unknown: this rule is used because it is no weaker than the default action"
        : "the kernel is unknown: this rule is dropped because it is weaker than the default action",
    );
    return isKept ? [{ rule, isCertain: false }] : [];
  });
}

type Applicability = "yes" | "no" | "unknown";

/** One condition of `excludes` suffices; all of `includes` are required. An empty list has no effect. */
function applicability({ includes, excludes }: OciRule, host: OciHost): Applicability {
  const architecture = goNames[host.architecture];
  const capabilities = host.capabilities ?? new Set();
  if (excludes.arches.includes(architecture)) return "no";
  if (excludes.caps.some((name) => capabilities.has(name))) return "no";
  if (includes.arches.length > 0 && !includes.arches.includes(architecture)) return "no";
  if (!includes.caps.every((name) => capabilities.has(name))) return "no";
  const included = includes.minKernel === undefined ? "yes" : isAtLeast(host, includes.minKernel.version);
  const excluded = excludes.minKernel === undefined ? "no" : isAtLeast(host, excludes.minKernel.version);
  if (included === "no" || excluded === "yes") return "no";
  return included === "yes" && excluded === "no" ? "yes" : "unknown";
}

function isAtLeast(host: OciHost, wanted: KernelVersion): Applicability {
  const known = host.kernelVersion === undefined ? undefined : parseKernelVersion(host.kernelVersion);
  const { major, minor } = known ?? oldestKernel;
  if (major > wanted.major || (major === wanted.major && minor >= wanted.minor)) return "yes";
  return known === undefined ? "unknown" : "no";
}

/** A profile does not say which capabilities the command has. */
function noteCapabilities(rules: readonly OciRule[], host: OciHost, reader: OciReader): void {
  if (host.capabilities !== undefined) return;
  const asking = rules.filter(({ includes, excludes }) => includes.caps.length + excludes.caps.length > 0);
  const [first] = asking;
  if (first === undefined) return;
  const names = [...new Set(asking.flatMap(({ includes, excludes }) => [...includes.caps, ...excludes.caps]))].sort();
  const shown = names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
  reader.report(
    "P0701",
    first.at,
    `rules of this profile test ${shown}: the command is assumed to have no capability`,
    `--cap ${names[0]} on the command line, or capabilities: ["${names[0]}"] in oci(), sets them`,
  );
}
