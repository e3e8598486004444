/** Which rules of a profile are for this machine and this container (moby's and containers/common's `setupSeccomp`). */
import type { ArchitectureName } from "../../linux/architecture.ts";
import type { KernelVersion, OciFilter, OciHost, OciRule } from "./profile.ts";
import type { OciReader } from "./reader.ts";
import { parseKernelVersion } from "./schema.ts";

/** Docker names architectures as Go does. */
const goNames: { readonly [A in ArchitectureName]: string } = { x86_64: "amd64", aarch64: "arm64" };

/** The oldest kernel on which an engine runs: what a profile allows to newer ones only is not allowed unasked. */
const oldestKernel: KernelVersion = { major: 5, minor: 9 };

export function selectRules(rules: readonly OciRule[], host: OciHost, reader: OciReader): OciRule[] {
  const selection = new Selection(host, reader);
  return rules.filter((rule) => !selection.isExcluded(rule.excludes) && selection.isIncluded(rule.includes));
}

class Selection {
  private readonly architecture: string;
  private readonly capabilities: ReadonlySet<string>;
  private readonly kernel: KernelVersion | undefined;
  private readonly reader: OciReader;

  constructor(host: OciHost, reader: OciReader) {
    this.architecture = goNames[host.architecture];
    this.capabilities = host.capabilities ?? new Set();
    this.kernel = host.kernelVersion === undefined ? undefined : parseKernelVersion(host.kernelVersion);
    this.reader = reader;
  }

  /** Any of them is enough. */
  isExcluded({ arches, caps, minKernel }: OciFilter): boolean {
    if (arches.includes(this.architecture)) return true;
    if (caps.some((name) => this.capabilities.has(name))) return true;
    return minKernel !== undefined && this.isAtLeast(minKernel);
  }

  /** All of them are needed; an empty list asks for nothing. */
  isIncluded({ arches, caps, minKernel }: OciFilter): boolean {
    if (arches.length > 0 && !arches.includes(this.architecture)) return false;
    if (!caps.every((name) => this.capabilities.has(name))) return false;
    return minKernel === undefined || this.isAtLeast(minKernel);
  }

  private isAtLeast({ version, at }: NonNullable<OciFilter["minKernel"]>): boolean {
    const kernel = this.kernel ?? oldestKernel;
    const atLeast = kernel.major > version.major || (kernel.major === version.major && kernel.minor >= version.minor);
    if (!atLeast && this.kernel === undefined) {
      const { major, minor } = oldestKernel;
      this.reader.report("P0701", at, `which kernel will run this is not known: taken as ${major}.${minor}`);
    }
    return atLeast;
  }
}
