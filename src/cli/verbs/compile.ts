/** `portcullis compile`: from a policy to a bundle (src/backend/bundle), an object (src/backend/object) or an OCI artifact. */
import type { Bundle } from "../../backend/bundle/bundle.ts";
import { digestIn } from "../../backend/bundle/format.ts";
import type { ArtifactOptions, EbpfArtifact, EbpfTargetName } from "../../backend/ebpf/artifact.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { printSpan, type Sources } from "../../diagnostics/render.ts";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { defaultWords, printValue } from "../../ir/parameters.ts";
import type { Context } from "../context.ts";
import { writeOutput } from "../output.ts";
import {
  architectureOption,
  missing,
  noMoreWords,
  type PolicyRequest,
  policyAndWords,
  policyOptions,
  policyRequest,
} from "../policy/arguments.ts";
import { loadOpen, type ValidOpenPolicy } from "../policy/load.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

const formats = ["pcl", "object"] as const;
type Format = (typeof formats)[number];

/** An object file has only the program. */
const looseObject =
  "portcullis: the policy's readOnlyProc and its files, tcp, udp and scope are not in an object file: its loader must restrict the tree by Landlock\n";

export const compile: Verb = {
  name: "compile",
  synopsis: ["compile [OPTIONS] -p POLICY -o FILE", "compile [OPTIONS] -p POLICY --oci-layout DIR"],
  about: [
    "Compiles the policy to eBPF and writes everything that its enforcement needs. FILE.pcl is portcullis's own bundle: both programs, the maps and state they need, the policy's lines, and a digest (docs/bundle.md). `portcullis run` accepts it as a policy and does not load the compiler. FILE.o is an object file for libbpf and bpftool, with type information and the policy's lines.",
    "The target determines the kernel that can run the program: for seccomp, one with programs of type BPF_PROG_TYPE_SECCOMP, which portcullis's patches add; for unprivileged, the same one, for users without CAP_BPF if the administrator permits it.",
    "A parameter that is set here (--set) is a constant, which gives the best code. Other integers and flags that only rules read stay open: the start gives their values (portcullis run -p FILE.pcl --set, or the launcher's --set) or uses their defaults; FILE.pcl and its digest do not depend on them. In an object file they are constants of .rodata, parameter_NAME, which a skeleton sets before it loads. All other parameters are constants with their defaults, and a message lists them with the reasons.",
    "DIR becomes an OCI image layout, which skopeo, oras and cosign copy and sign: an artifact of the type application/vnd.portcullis.policy.v1 with the policy's source and the values of --set, or with --format pcl the bundle (docs/containers.md). If the policy needs no agent, a second artifact is its OCI seccomp profile (KEP-6061). Equal policies give equal bytes.",
  ],
  options: {
    ...policyOptions,
    output: {
      short: "o",
      value: "FILE",
      about: "The output file. Its suffix determines the format.",
      complete: "file",
    },
    target: {
      value: "NAME",
      about: "seccomp (the default) or unprivileged.",
      complete: ["seccomp", "unprivileged"],
    },
    "oci-layout": {
      value: "DIR",
      about: "The folder of an OCI image layout, new or empty, instead of -o.",
      complete: "directory",
    },
    format: {
      value: "NAME",
      about:
        "pcl or object, if the file's name does not end in .pcl or .o. With --oci-layout: pcl, instead of the source.",
      complete: formats,
    },
    ...architectureOption,
    "no-denial-events": {
      about: "No verdict writes a record to the ring buffer, which makes the program smaller. Reports still do.",
    },
    verify: { about: "Check the program with this kernel's verifier, and write nothing if it refuses the program." },
    "verifier-log": {
      value: "FILE",
      about:
        "Write the verifier's whole log to FILE, each instruction of each path with the policy's lines. With --verify.",
      complete: "file",
    },
    json: { about: "Print a description of the output as one JSON object." },
  },
  complete: "policy",
  exit: [
    ["0", "The output was written."],
    [
      String(failed),
      "The policy does not compile, the target cannot express it, the verifier refuses it, or the output cannot be written.",
    ],
  ],
  examples: [
    ["portcullis compile -p nginx -o nginx.pcl", "A bundle for the launcher"],
    [
      "portcullis compile -p children -o children.pcl",
      "With an open parameter: portcullis run -p children.pcl --set most=64 -- make",
    ],
    ["portcullis compile -p nginx -o nginx.bpf.o", "An object file, for bpftool gen skeleton"],
    [
      "portcullis compile -p order -o order.pcl --verify --verifier-log order.log",
      "A bundle that this kernel's verifier accepts, and the verifier's log",
    ],
    [
      "portcullis compile -p children --set most=8 --oci-layout children.oci",
      "An artifact, for skopeo copy oci:children.oci docker://REGISTRY/children",
    ],
  ],
  async execute(invocation, context) {
    const { policy, words } = policyAndWords(invocation);
    noMoreWords(words);
    const layout = invocation.text("oci-layout");
    const output = layout ?? invocation.text("output");
    if (output === undefined) throw missing("where to write", "-o FILE.pcl, -o FILE.o or --oci-layout DIR");
    if (layout !== undefined) {
      const { checkLayoutFolder, writeSource } = await import("../policy/artifact.ts");
      checkLayoutOptions(invocation);
      checkLayoutFolder(layout);
      if (!invocation.has("format")) return writeSource(layout, policyRequest(policy, invocation), invocation, context);
    }
    const format = formatOf(output, invocation);
    const { namedTarget } = await import("../policy/ebpf-target.ts");
    const target = namedTarget(invocation) ?? "seccomp";
    const options = { reportsVerdicts: !invocation.has("no-denial-events") };
    const { loaded, artifact } = await compileOpen(policyRequest(policy, invocation), target, options, context);
    const [{ makeBundle }, { packageVersion }] = await Promise.all([
      import("../../engines/bundle/make-bundle.ts"),
      import("../../machine/package.ts"),
    ]);
    const { sources } = loaded;
    if (loaded.program.hosts.length > 0)
      throw new Failure([
        diagnostic("P0606", "a bundle has no proxy, which `hosts` of the policy needs", {
          help: "`portcullis run` enforces it with the policy's source",
        }),
      ]);
    const fixed = loaded.parameters.flatMap(({ name, value }): [string, string][] =>
      value === undefined ? [] : [[name, value]],
    );
    const bundle = makeBundle(artifact, { compiler: `portcullis ${packageVersion()}`, fixed, sources });
    const bytes = format === "pcl" ? await encodeAsBundle(bundle, sources) : await encodeAsObject(artifact, sources);
    const logFile = invocation.text("verifier-log");
    if (invocation.has("verify")) {
      const { verify } = await import("../verify.ts");
      verify(bundle, sources, logFile);
    } else if (logFile !== undefined)
      throw new Failure([diagnostic("P0908", "--verifier-log needs --verify", { help: "add --verify" })]);
    if (layout === undefined) writeOutput(output, bytes, { option: "-o" });
    else await writeBundleArtifact(layout, bundle, bytes);
    const json = invocation.has("json");
    if (!json) {
      printFixed(loaded, context);
      if (format === "pcl") await printCost(loaded, bundle, context);
      else if (bundle.readOnlyProc || bundle.objects.length > 0) context.err(looseObject);
    }
    report(context, json, { file: output, format, target, bundle, bytes });
    return 0;
  },
};

/** With as many open parameters as the target permits. */
async function compileOpen(
  request: PolicyRequest,
  target: EbpfTargetName,
  options: ArtifactOptions,
  context: Context,
): Promise<{ readonly loaded: ValidOpenPolicy; readonly artifact: EbpfArtifact }> {
  const [{ compileArtifact }, { compileFor }] = await Promise.all([
    import("../../backend/ebpf/artifact.ts"),
    import("../policy/ebpf-target.ts"),
  ]);
  const loaded = await loadOpen(request, context);
  try {
    return { loaded, artifact: await compileFor(target, loaded, options, context) };
  } catch (error) {
    if (!(error instanceof Failure) || loaded.program.parameters.length === 0) throw error;
    const fitting = await loadOpen(request, context, {
      quiet: true,
      objections: (program) => compileArtifact(program, target, options).diagnostics,
    });
    return { loaded: fitting, artifact: await compileFor(target, fitting, options, context) };
  }
}

/** @throws Failure if an option makes no sense with --oci-layout */
function checkLayoutOptions(invocation: Invocation): void {
  const format = invocation.text("format");
  if (invocation.has("output"))
    throw new Failure([diagnostic("P0908", "-o and --oci-layout are two outputs", { help: "leave one out" })]);
  if (format !== undefined && format !== "pcl")
    throw new Failure([
      diagnostic("P0907", `an artifact has no format ${JSON.stringify(format)}`, { help: "--format pcl, or none" }),
    ]);
  const ofBundles = ["target", "no-denial-events", "verify", "verifier-log"].find((one) => invocation.has(one));
  if (format === undefined && ofBundles !== undefined)
    throw new Failure([
      diagnostic("P0908", `--${ofBundles} is for a bundle, and the artifact has the policy's source`, {
        help: "add --format pcl",
      }),
    ]);
}

async function writeBundleArtifact(folder: string, bundle: Bundle, content: Uint8Array): Promise<void> {
  const [{ writeArtifact }, { packageVersion }] = await Promise.all([
    import("../policy/artifact.ts"),
    import("../../machine/package.ts"),
  ]);
  const digest = `sha256:${digestIn(content)}`;
  const { name, fixed } = bundle;
  writeArtifact(folder, {
    name,
    version: packageVersion(),
    digest,
    parameters: new Map(fixed),
    ending: "pcl",
    content,
  });
}

function formatOf(output: string, invocation: Invocation): Format {
  const given = invocation.text("format");
  const byName = output.endsWith(".pcl") ? "pcl" : output.endsWith(".o") ? "object" : undefined;
  const found = given === undefined ? byName : formats.find((one) => one === given);
  if (found !== undefined) return found;
  throw new Failure([
    given === undefined
      ? diagnostic("P0908", `the format of ${output} is missing`, {
          help: "FILE.pcl or FILE.o, or say --format pcl or --format object",
        })
      : diagnostic("P0907", `there is no format ${JSON.stringify(given)}`, { help: "--format pcl or --format object" }),
  ]);
}

/** A policy that does not fit the format is too large. */
async function encodeAsBundle(bundle: Bundle, sources: Sources): Promise<Uint8Array> {
  const [{ encodeBundle }, { BundleError }] = await Promise.all([
    import("../../backend/bundle/write.ts"),
    import("../../backend/bundle/bundle.ts"),
  ]);
  try {
    return encodeBundle(bundle);
  } catch (error) {
    if (error instanceof BundleError) throw new Failure([diagnostic("P0314", error.message)], sources);
    throw error;
  }
}

async function encodeAsObject(artifact: EbpfArtifact, sources: Sources): Promise<Uint8Array> {
  const { encodeObject, ObjectError } = await import("../../backend/object/object.ts");
  try {
    return encodeObject(artifact, sources);
  } catch (error) {
    if (!(error instanceof ObjectError)) throw error;
    throw new Failure([
      diagnostic("P0606", `an object file cannot hold this policy: ${error.message}`, { help: "a bundle, FILE.pcl" }),
    ]);
  }
}

// ── Telling ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Written {
  readonly file: string;
  readonly format: Format;
  readonly target: EbpfTargetName;
  readonly bundle: Bundle;
  readonly bytes: Uint8Array;
}

/** Says which parameters that were not set cannot be set at the start. */
function printFixed({ fixed, parameters }: ValidOpenPolicy, context: Context): void {
  for (const [name, why] of fixed) {
    const value = parameters.find((one) => one.name === name)?.value;
    const reason = why === undefined ? "" : `: ${safeText(why.message)}`;
    const place = why?.span === undefined ? "" : ` (${printSpan(why.span)})`;
    context.err(`portcullis: the parameter ${name} is fixed at ${safeText(String(value))}${reason}${place}\n`);
  }
}

/** A classic program has no open parameters. Says so if nothing else prevents it from being the whole policy. */
async function printCost(
  { program }: ValidOpenPolicy,
  { parameters, classicIsAll }: Bundle,
  context: Context,
): Promise<void> {
  if (parameters.length === 0 || classicIsAll) return;
  const [{ isWhollyClassic }, { bindParameters }, { bodyUse }] = await Promise.all([
    import("../../engines/bundle/make-bundle.ts"),
    import("../../ir/parameters.ts"),
    import("../../backend/ebpf/lower/uses.ts"),
  ]);
  const { cells, tables } = bodyUse(program, program.body, { makesProcesses: "never", locked: false });
  if (cells.size + tables.size > 0) return;
  if (!isWhollyClassic(bindParameters(program, defaultWords(program.parameters)))) return;
  const settings = parameters.map(({ name }) => `--set ${name}=…`).join(" ");
  context.err(
    `portcullis: with its parameters fixed (${settings}), the classic program would be the whole policy, for any kernel\n`,
  );
}

function report(context: Context, json: boolean, { file, format, target, bundle, bytes }: Written): void {
  const instructions = bundle.program.length / 8;
  const digest = format === "pcl" ? digestIn(bytes) : undefined;
  const { classic, classicIsAll, maps, states, parameters, fixed } = bundle;
  if (json) {
    const description = {
      ...{ v: 1, kind: "compiled", file, format, target, bytes: bytes.length, digest, instructions },
      ...{ classicInstructions: classic.length / 8, classicIsAll, maps: maps.length, states: states.length },
      readOnlyProc: bundle.readOnlyProc,
      restrictsObjects: bundle.objects.length > 0,
      parameters: parameters.map(({ name, kind, from, to, default: fallback }) => ({
        ...{ name, kind, from: String(from), to: String(to) },
        default: fallback === undefined ? undefined : printValue({ kind }, fallback),
      })),
      fixed: Object.fromEntries(fixed),
    };
    context.out(`${jsonText(description)}\n`);
    return;
  }
  const needs = [
    `${instructions} instructions for ${target}`,
    count(maps.length, "map"),
    ...(states.length > 0 ? [count(states.length, "state object")] : []),
    ...(parameters.length > 0 ? [`open: ${parameters.map(({ name }) => name).join(", ")}`] : []),
    ...(format === "pcl" && classicIsAll ? ["the classic program is the whole policy"] : []),
    ...(format === "pcl" && bundle.objects.length > 0 ? ["files, ports or scopes are restricted (Landlock)"] : []),
    ...(format === "pcl" && bundle.readOnlyProc ? ["files of proc file systems are read-only (Landlock)"] : []),
  ];
  context.out(`${safeText(file)}: ${needs.join(", ")}${digest === undefined ? "" : `; sha256 ${digest}`}\n`);
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
