/**
 * Loads ready policies and profiles as bundles into the patched kernel: it accepts each, for both targets, its verifier
 * shows the policy's lines, and the feature probe finds all features of the series.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { encodeBundle } from "../../src/backend/bundle/write.ts";
import { compileArtifact } from "../../src/backend/ebpf/artifact.ts";
import { makeBundle } from "../../src/engines/bundle/make-bundle.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { loadOpenPolicy } from "../../src/frontend/open.ts";
import type { Program } from "../../src/ir/program.ts";
import { bundleGuest } from "../support/bundle.ts";
import { ociProfiles, readyPolicies } from "../support/policy-files.ts";
import { casesInMachine, unable } from "./vm.ts";

const folder = resolve("build/test/bundles");

const policies = [
  ...readyPolicies,
  ...ociProfiles,
  ...["limit", "remembered", "sockets"].map((name) => `test/goldens/ebpf/${name}.ts`),
];

async function prepare(): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  await bundleGuest("test/kernel/guest/load-bundles.ts", join(folder, "load-bundles.cjs"));
  return policies.flatMap((path) =>
    (["seccomp", "unprivileged"] as const).flatMap((target) => {
      const { program, sources } = loadPolicy(path, { architecture: "x86_64" });
      const { artifact } = compileArtifact(program!, target, { reportsVerdicts: true });
      if (artifact === undefined) return [];
      const file = join(folder, `${basename(path).replace(/\.\w+$/, "")}-${target}.pcl`);
      const bundle = makeBundle(artifact, { compiler: "portcullis test", fixed: [], sources });
      writeFileSync(file, encodeBundle(bundle));
      return [file, ...withOpenParameters(path, target)];
    }),
  );
}

/** The same with open parameters, if it has parameters. */
function withOpenParameters(path: string, target: "seccomp" | "unprivileged"): string[] {
  const compile = (program: Program) => compileArtifact(program, target, { reportsVerdicts: true });
  // A parameter that the target cannot express is a constant.
  const { program, sources } = loadOpenPolicy(path, { architecture: "x86_64" }, ({ program: attempt }) =>
    attempt === undefined ? [] : compile(attempt).diagnostics,
  ).loaded;
  if (program!.parameters.length === 0) return [];
  const { artifact } = compile(program!);
  if (artifact === undefined) return [];
  const file = join(folder, `${basename(path).replace(/\.\w+$/, "")}-open-${target}.pcl`);
  writeFileSync(file, encodeBundle(makeBundle(artifact, { compiler: "portcullis test", fixed: [], sources })));
  return [file];
}

/** Files for the launcher's domain, and state for the program: the second rmdir(2) of the tree is refused. */
const objects = `import { allow, deny, perTree, policy } from "portcullis";
const removed = perTree.flag();
export default policy({ files: { write: ["/tmp"], runtime: true } }, (call) => {
  if (call.name !== "rmdir") return allow;
  if (removed.get()) return deny("EPERM");
  removed.set(true);
  return allow;
});
`;

function withObjects(): string {
  const { program, sources } = loadPolicy("/objects.ts", { architecture: "x86_64", readFile: () => objects });
  const { artifact } = compileArtifact(program!, "seccomp", { reportsVerdicts: true });
  const file = join(folder, "objects.pcl");
  writeFileSync(file, encodeBundle(makeBundle(artifact!, { compiler: "portcullis test", fixed: [], sources })));
  return file;
}

const bundles = unable("patched") === undefined ? await prepare() : [];
await casesInMachine({ kernel: "patched" }, [
  {
    title: "bundles",
    command: {
      words: ["node", join(folder, "load-bundles.cjs"), resolve("dist/native/x64/launcher"), withObjects(), ...bundles],
    },
    count: bundles.length + 11,
  },
]);
