/** `portcullis disasm`: lists the classic filter, the eBPF program or a bundle of a policy. */
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Context } from "../context.ts";
import { describedEngine, describedEngineOption } from "../engine.ts";
import { writeOutput } from "../output.ts";
import {
  architectureOption,
  noMoreWords,
  policyAndWords,
  policyOrBundleOptions,
  policyRequest,
} from "../policy/arguments.ts";
import { loadRequested, printDiagnostics } from "../policy/load.ts";
import { withSafeTexts } from "../policy/safe-program.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

export const disasm: Verb = {
  name: "disasm",
  synopsis: ["disasm [OPTIONS] POLICY", "disasm [OPTIONS] --target NAME POLICY", "disasm BUNDLE.pcl"],
  about: [
    "Prints the classic BPF program of the policy's static part, which the kernel enforces from before the command's first instruction until its end. A comment before each return lists the calls that reach it, the verdict and the policy's line.",
    "USER_NOTIF passes the call to the supervisor, for verdicts that depend on state and for static denials that become events. With --pure the filter gives static denials itself.",
    "With --target, prints the eBPF program for that target instead: the part without state, a body for each kind of stateful call, the operations on tables. For a bundle, prints its contents and its requirements for the loader.",
  ],
  options: {
    ...policyOrBundleOptions,
    ...architectureOption,
    ...describedEngineOption,
    target: {
      value: "NAME",
      about: "List the eBPF program for seccomp or unprivileged (portcullis compile) instead of the classic filter.",
      complete: ["seccomp", "unprivileged"],
    },
    all: { short: "a", about: "Name all calls, however many." },
    pure: { about: "The filter gives static verdicts itself, as with `run --no-denial-events`." },
    "kill-events": { about: "The supervisor carries out static kills, as with `run --kill-events`." },
    raw: {
      value: "FILE",
      about:
        "Write the program to FILE as struct sock_filter[], for example for Bubblewrap's --seccomp. Add --pure: without a supervisor, calls with USER_NOTIF fail with ENOSYS.",
      complete: "file",
    },
  },
  complete: "policy",
  exit: [
    ["0", "The filter or the program was printed."],
    [
      String(failed),
      "The policy does not compile, or its filter does not fit the kernel's limit of 4096 instructions, or the target cannot express it.",
    ],
  ],
  examples: [
    ["portcullis disasm exec-once", "The filter of a ready policy"],
    ["portcullis disasm --target seccomp order", "The eBPF program of another"],
    ["portcullis disasm order.pcl", "The contents of a bundle"],
  ],
  async execute(invocation, context) {
    const { policy, words } = policyAndWords(invocation);
    noMoreWords(words);
    if (policy.endsWith(".pcl")) return await listBundleFile(policy, invocation, context);
    if (invocation.text("target") !== undefined) return await listProgram(policy, invocation, context);
    const { program: loaded, sources } = await loadRequested(policyRequest(policy, invocation), context);
    const program = withSafeTexts(loaded);
    const [{ encodeClassic }, { listClassic }, { compilerOf }, { isAsking }] = await Promise.all([
      import("../../backend/classic/compile.ts"),
      import("../../backend/classic/listing.ts"),
      import("../../engines/compilers.ts"),
      import("../../engines/engine/static-filter.ts"),
    ]);
    const pure = invocation.has("pure");
    const compiler = await compilerOf(describedEngine(invocation));
    const { split, target, classic } = compile(() =>
      compiler.filter(program, {
        mode: pure ? "quiet" : "reported",
        killEvents: invocation.has("kill-events"),
        armed: false,
      }),
    );
    context.out(listClassic(program, split, target, classic, invocation.has("all") ? {} : { names: 12 }));
    const raw = invocation.text("raw");
    if (raw === undefined) return 0;
    if (isAsking(classic)) await printDiagnostics([askingFilter(raw, pure)], sources, context);
    writeOutput(raw, encodeClassic(classic), { option: "--raw" });
    return 0;
  },
};

/** Programs that load the file, such as bubblewrap, have no listener: such calls fail with ENOSYS. */
function askingFilter(file: string, pure: boolean): Diagnostic {
  return diagnostic(
    "P0913",
    `${file} asks a listener (USER_NOTIF); without one, as in bubblewrap, each such call fails with ENOSYS`,
    {
      help: pure
        ? "a verdict that depends on state needs an engine: portcullis run"
        : "with --pure it asks only if a verdict depends on state",
    },
  );
}

/** @throws Failure if an option for another kind of listing was given */
function refuse(invocation: Invocation, options: readonly string[], why: string): void {
  const given = options.filter((option) => invocation.has(option));
  if (given.length === 0) return;
  throw new Failure([diagnostic("P0909", `--${given.join(", --")} cannot be used here: ${why}`)]);
}

async function listProgram(policy: string, invocation: Invocation, context: Context): Promise<number> {
  refuse(invocation, ["all", "engine", "pure", "kill-events", "raw"], "it is for the classic filter");
  const { compileFor, namedTarget } = await import("../policy/ebpf-target.ts");
  const target = namedTarget(invocation)!;
  const loaded = await loadRequested(policyRequest(policy, invocation), context);
  const { object, declared } = await compileFor(target, loaded, { reportsVerdicts: true }, context);
  const [{ listing }, { describeDeclared }] = await Promise.all([
    import("../../backend/ebpf/listing.ts"),
    import("../../abi/declared-arguments.ts"),
  ]);
  const program = withSafeTexts(loaded.program);
  for (const one of declared) context.out(`; ${describeDeclared(program.architecture, one)}\n`);
  context.out(listing(object, program));
  return 0;
}

async function listBundleFile(file: string, invocation: Invocation, context: Context): Promise<number> {
  refuse(
    invocation,
    ["all", "engine", "pure", "kill-events", "raw", "set", "cap", "architecture", "target"],
    "a bundle is listed as it is",
  );
  const [{ readBytes }, { listBundle }, { BundleError }] = await Promise.all([
    import("../input.ts"),
    import("../../backend/bundle/listing.ts"),
    import("../../backend/bundle/bundle.ts"),
  ]);
  const bytes = readBytes(file);
  try {
    context.out(listBundle(bytes));
  } catch (error) {
    if (error instanceof BundleError || error instanceof RangeError)
      throw new Failure([diagnostic("P0912", `${file}: ${error.message}`)]);
    throw error;
  }
  return 0;
}

/** A filter that is too large for the kernel is an error of the policy. */
function compile<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error && error.name === "FilterTooLargeError") {
      throw new Failure([
        diagnostic("P0314", error.message, { help: "fewer conditions on arguments, or fewer intervals of them" }),
      ]);
    }
    throw error;
  }
}
