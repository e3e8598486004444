/** Which rules of a profile are for this machine and this container (moby's and containers/common's `setupSeccomp`). */
import { strictness } from "../../ir/verdicts.ts";
import type { ArchitectureName } from "../../linux/architecture.ts";
import type { KernelVersion, OciAction, OciHost, OciRule } from "./profile.ts";
import type { OciReader } from "./reader.ts";
import { parseKernelVersion } from "./schema.ts";

/** Docker names architectures as Go does. */
const goNames: { readonly [A in ArchitectureName]: string } = { x86_64: "amd64", aarch64: "arm64" };

/** The oldest kernel on which an engine runs. */
const oldestKernel: KernelVersion = { major: 5, minor: 9 };

export interface SelectedRule {
  readonly rule: OciRule;
  /** False where it depends on the kernel, which is not known, whether the rule is for it. */
  readonly isCertain: boolean;
}

/**
 * The rules that are for this machine. One of which that is not known is kept where it is no weaker than the default
 * action, and left out otherwise: what remains is never weaker than what the profile says on any kernel (decisions.ts).
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
        ? "which kernel will run this is not known: the rule is taken, because it is no weaker than the default action"
        : "which kernel will run this is not known: the rule is left out, because it is weaker than the default action",
    );
    return isKept ? [{ rule, isCertain: false }] : [];
  });
}

type Applicability = "yes" | "no" | "unknown";

/** Any condition of `excludes` is enough; all of `includes` are needed, and an empty list asks for nothing. */
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

/** Which capabilities a command has, its profile does not say. */
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
    `rules of this profile ask for ${shown}: the command is taken to have no capability`,
    `--cap ${names[0]} on the command line, or capabilities: ["${names[0]}"] in oci(), says which it has`,
  );
}
