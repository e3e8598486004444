/** Writes a policy as an OCI artifact: an image layout in a folder of its own. */
import { mkdirSync, readdirSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { encodeLayout, LayoutError, type LayoutFile, type PolicyArtifact } from "../../backend/bundle/oci-layout.ts";
import { diagnostic, hasErrors } from "../../diagnostics/catalogue.ts";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { policyDigest } from "../../export/digest.ts";
import { agentSocket, type PolicyName } from "../../export/metadata.ts";
import type { ReadFile } from "../../frontend/source/store.ts";
import { readInputFile } from "../../machine/inputs.ts";
import { packageFile, packageVersion } from "../../machine/package.ts";
import type { Context } from "../context.ts";
import { codeOf } from "../file-fault.ts";
import { writeOutputs } from "../output.ts";
import { Failure, type Invocation } from "../verb.ts";
import type { PolicyRequest } from "./arguments.ts";
import { orTooLarge } from "./compile.ts";
import { loadOpen, type ValidOpenPolicy } from "./load.ts";

/**
 * Writes the policy's source with the given values of its parameters. The status of the verb.
 *
 * @throws Failure if the policy does not compile, or not from its own file alone
 */
export async function writeSource(
  folder: string,
  request: PolicyRequest,
  invocation: Invocation,
  context: Context,
): Promise<number> {
  const loaded = await loadOpen(request, context);
  const [file] = loaded.program.files;
  const text = loaded.sources.get(file!)!;
  const ending = extname(file!) === ".json" ? "json" : "ts";
  const name = basename(file!, `.${ending}`);
  const { parameters } = request;
  const digest = policyDigest({ files: await filesOfReader(`/${name}.${ending}`, text, request, loaded), parameters });
  const content = Buffer.from(text);
  const profile = await profileOf(loaded, { policy: name, digest, parameters: Object.fromEntries(parameters) });
  writeArtifact(folder, { name, version: packageVersion(), digest, parameters, ending, content }, profile);
  const described = {
    ...{ v: 1, kind: "compiled", file: folder, format: "source", bytes: content.length, digest },
    profile: profile !== undefined,
  };
  context.out(
    invocation.has("json")
      ? `${jsonText(described)}\n`
      : `${safeText(folder)}: the source of ${safeText(name)}, ${content.length} bytes${profile === undefined ? "" : ", and its seccomp profile"}; ${digest}\n`,
  );
  return 0;
}

/** The whole policy as a profile for container runtimes; undefined if it needs an agent or a launcher. @throws Failure */
async function profileOf({ program: open }: ValidOpenPolicy, name: PolicyName): Promise<Uint8Array | undefined> {
  if (open.readOnlyProc || open.objects.length > 0 || open.hosts.length > 0) return undefined;
  if (open.parameters.some(({ default: usual }) => usual === undefined)) return undefined;
  const [{ exportOci, ociText }, { bindParameters, defaultWords }] = await Promise.all([
    import("../../export/oci.ts"),
    import("../../ir/parameters.ts"),
  ]);
  const program = bindParameters(open, defaultWords(open.parameters));
  const { profile } = orTooLarge(() => exportOci(program, { mode: "quiet", listenerPath: agentSocket, name }));
  return profile === undefined || profile.listenerPath !== undefined ? undefined : Buffer.from(ociText(profile));
}

/**
 * Compiles the text as a reader of the artifact does, who has it and the policies of the package. The files that it
 * reads.
 *
 * @throws Failure if it needs others
 */
async function filesOfReader(
  path: string,
  text: string,
  request: PolicyRequest,
  whole: ValidOpenPolicy,
): Promise<readonly ReadFile[]> {
  const { loadPolicy } = await import("../../frontend/load.ts");
  const ofPackage = packageFile("policies/");
  const { diagnostics, files } = loadPolicy(path, {
    architecture: request.architecture,
    set: request.parameters,
    open: { includes: (parameter) => !whole.fixed.has(parameter), assumed: false },
    readFile: (file) => {
      if (file === path) return text;
      if (file.startsWith(ofPackage)) return readInputFile(file);
      throw new Error(`${file} is not in the artifact`);
    },
  });
  if (!hasErrors(diagnostics)) return files;
  const at = diagnostics.find(({ code }) => code === "P0107")?.span;
  throw new Failure(
    [
      diagnostic("P0606", "an artifact has the policy's own file only, and the policy imports another", {
        help: "--format pcl, or imports from portcullis/policies/",
        ...(at === undefined ? {} : { span: { ...at, file: whole.program.files[0]! } }),
      }),
    ],
    whole.sources,
  );
}

/**
 * @param profile the policy as an OCI seccomp profile, if it has no state
 * @throws Failure if the folder cannot be written
 */
export function writeArtifact(folder: string, policy: PolicyArtifact, profile?: Uint8Array): void {
  const files = layoutFiles(policy, profile).map(({ path, content }) => ({ file: join(folder, path), text: content }));
  try {
    for (const { file } of files) mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    throw new Failure([diagnostic("P0901", `${folder} cannot be written (${codeOf(error)})`)]);
  }
  writeOutputs(files, { option: "--oci-layout" });
}

/** @throws Failure if the folder has files, which would be in the layout, too */
export function checkLayoutFolder(folder: string): void {
  let files: readonly string[];
  try {
    files = readdirSync(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw new Failure([diagnostic("P0901", `${folder} cannot be written (${codeOf(error)})`)]);
  }
  if (files.length === 0) return;
  const help = "name another folder with --oci-layout, or empty it";
  throw new Failure([diagnostic("P0917", `${folder} has files, and a layout has only its own`, { help })]);
}

function layoutFiles(policy: PolicyArtifact, profile: Uint8Array | undefined): readonly LayoutFile[] {
  try {
    return encodeLayout(policy, profile);
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
    throw new Failure([diagnostic("P0907", error.message, { help: "rename the policy's file" })]);
  }
}
