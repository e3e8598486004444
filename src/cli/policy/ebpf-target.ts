/** Reads --target and compiles a policy for that eBPF target. */
import {
  type ArtifactOptions,
  compileArtifact,
  type EbpfArtifact,
  type EbpfTargetName,
  ebpfTargets,
} from "../../backend/ebpf/artifact.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import type { Context } from "../context.ts";
import { Failure, type Invocation } from "../verb.ts";
import { printDiagnostics, type ValidPolicy } from "./load.ts";

/** @throws Failure */
export function namedTarget(invocation: Invocation): EbpfTargetName | undefined {
  const given = invocation.text("target");
  const found = ebpfTargets.find((name) => name === given);
  if (given === undefined || found !== undefined) return found;
  const near = nearestName(given, ebpfTargets);
  throw new Failure([
    diagnostic("P0907", `there is no target ${JSON.stringify(given)}`, {
      help: near === undefined ? `--target ${ebpfTargets.join(", ")}` : `write --target ${near}`,
    }),
  ]);
}

/** @throws Failure if the target cannot express the policy */
export async function compileFor(
  target: EbpfTargetName,
  { program, sources }: Pick<ValidPolicy, "program" | "sources">,
  options: ArtifactOptions,
  context: Context,
): Promise<EbpfArtifact> {
  const { artifact, diagnostics } = compileArtifact(program, target, options);
  if (artifact === undefined) throw new Failure(diagnostics, sources);
  await printDiagnostics(diagnostics, sources, context);
  return artifact;
}
