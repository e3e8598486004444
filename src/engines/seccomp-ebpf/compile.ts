/** Compiles a policy for the engine `seccomp-ebpf`: one bundle with the classic and the eBPF program. */

import { examinedPaths } from "../../analysis/file-paths/guarded-paths.ts";
import { encodeBundle } from "../../backend/bundle/write.ts";
import { compileArtifact } from "../../backend/ebpf/artifact.ts";
import { mappedTables } from "../../backend/ebpf/targets/state-objects.ts";
import { rulesetsOf } from "../../backend/landlock/rulesets.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Sources } from "../../diagnostics/render.ts";
import { describePolicy } from "../../events/record.ts";
import { spanOf } from "../../ir/location.ts";
import type { Observation } from "../../ir/observation.ts";
import type { Program } from "../../ir/program.ts";
import { seccompEbpfProfile } from "../bundle/filter.ts";
import { makeBundle } from "../bundle/make-bundle.ts";
import type { EngineCompiler } from "../engine/engine.ts";
import { staticFilter } from "../engine/static-filter.ts";
import { describeState } from "../engine/status.ts";
import type { SeccompEbpfMode, SeccompEbpfPolicy } from "./policy.ts";
import { readVariant } from "./variant.ts";

export interface SeccompEbpfCompilation {
  /** Undefined if and only if the diagnostics contain an error. */
  readonly policy: SeccompEbpfPolicy | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export interface SeccompEbpfCompileOptions {
  readonly mode: SeccompEbpfMode;
  /** For a loader without CAP_BPF. */
  readonly unprivileged: boolean;
  /** Name and version of the compiler: "portcullis 0.1.0". */
  readonly compiler: string;
  /** The values of the policy's parameters. */
  readonly fixed: readonly (readonly [name: string, value: string])[];
  /** For the lines in the verifier's log. */
  readonly sources: Sources;
}

export function compileForSeccompEbpf(program: Program, options: SeccompEbpfCompileOptions): SeccompEbpfCompilation {
  const { mode, unprivileged, compiler, fixed, sources } = options;
  const { artifact, diagnostics } = compileArtifact(program, unprivileged ? "unprivileged" : "seccomp", {
    reportsVerdicts: mode === "reported",
  });
  if (artifact === undefined) return { policy: undefined, diagnostics };
  const bundle = encodeBundle(makeBundle(artifact, { compiler, fixed, sources }));
  const events = artifact.storage.maps.find(({ holds }) => holds === "events");
  const eventsSize = events?.capacity ?? 0;
  const policy = {
    mode,
    bundle,
    parameters: [],
    eventsSize,
    description: describePolicy(program),
    allowedPaths: examinedPaths(program),
    // This engine has no objects (P0606).
    refusedObjects: [],
    readOnlyProc: program.readOnlyProc,
    objects: rulesetsOf(program.objects),
    state: describeState(program),
    mappedTables: mappedTables(program),
  };
  return { policy, diagnostics };
}

function cannotRead(program: Program, { name, at }: Observation): Diagnostic {
  return diagnostic("P0606", `the filters of this kernel cannot read the memory behind \`${name}\``, {
    span: spanOf(program, at),
    help: "a kernel with all patches of kernel/patches; or run the policy under --engine notify",
  });
}

export const seccompEbpfCompiler: EngineCompiler<SeccompEbpfPolicy> = {
  ...seccompEbpfProfile,
  filter: (program, { armed }) => staticFilter(seccompEbpfProfile, program, { armed }),
  compile(program, { mode, events, variant, compiler, fixed, sources }) {
    const { unprivileged, memory } = readVariant(variant);
    const hidden = memory ? undefined : program.observations[0];
    if (hidden !== undefined) return { policy: undefined, diagnostics: [cannotRead(program, hidden)] };
    return compileForSeccompEbpf(program, {
      // Events without a destination need no code.
      mode: mode === "reported" && events ? "reported" : "quiet",
      unprivileged,
      compiler,
      fixed,
      sources,
    });
  },
};
