/** `portcullis check`: loads policies, and prints their diagnostics and what the lints find. */
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import type { Program } from "../../ir/program.ts";
import type { Context } from "../context.ts";
import { architectureOption, chosenArchitecture, missing, policyOptions, policyRequest } from "../policy/arguments.ts";
import { loadRequested, printDiagnostics } from "../policy/load.ts";
import { wayForThisUser } from "../policy/protection.ts";
import { withSafeTexts } from "../policy/safe-program.ts";
import { withCompilerFlags } from "../v8-flags.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

export const check: Verb = {
  name: "check",
  synopsis: ["check [OPTIONS] POLICY…"],
  about: [
    "Compiles each policy and prints its errors and warnings with the place, the line and a remedy. portcullis never executes a policy module.",
    "Warnings are about meaning: a refused call with a sibling that is allowed, a verdict that is never reached, a limit that forking resets.",
    "A comment before a warning's line accepts it, with the reason: // accept P0501: a descriptor to truncate by was opened for writing.",
    "Whether the current user can change where the policy's paths lead (P0609, P0610) depends on the machine. These warnings are printed, but not counted.",
    "For a policy without errors, one line on standard output gives the verdict on calls that no rule names.",
  ],
  options: {
    ...policyOptions,
    ...architectureOption,
    json: { about: "Print the diagnostics on standard output, one JSON object per line." },
    strict: {
      about: "Treat warnings as errors, but for P0609 and P0610, which are about the machine (see --strict-paths).",
    },
    "strict-paths": {
      about:
        "Report an error (P0609, P0610), as `run --strict-paths` does, if the policy permits something by a path, or refuses an object, and the current user can write a directory on the way to it.",
    },
    quiet: { short: "q", about: "Print nothing for policies without errors and warnings." },
  },
  complete: "policy",
  exit: [
    ["0", "The policies compile; there may be warnings."],
    ["1", "There are warnings, with --strict."],
    [String(failed), "A policy does not compile."],
  ],
  examples: [
    ["portcullis check web.ts", "Check a policy"],
    ["portcullis check --strict policies/*.ts", "In a pipeline: warnings fail too"],
    ["portcullis check --set most=16 children", "A ready policy, with a parameter"],
  ],
  async execute(invocation, context) {
    const given = invocation.text("policy");
    const policies = given === undefined ? invocation.words : [given, ...invocation.words];
    if (policies.length === 0) throw missing("a policy", "portcullis check POLICY");
    chosenArchitecture(invocation);
    return await withCompilerFlags(async () => {
      let status = 0;
      for (const policy of policies) status = Math.max(status, await checkOne(policy, invocation, context));
      return status;
    });
  },
};

/** What the current user can change about the policy's paths here: P0609 and P0610. */
async function findChangeable(program: Program): Promise<Diagnostic[]> {
  const [{ examinedPaths }, { refusedObjects }, { examinePaths, examineRefused }] = await Promise.all([
    import("../../analysis/file-paths/guarded-paths.ts"),
    import("../../analysis/file-paths/refused-objects.ts"),
    import("../policy/path-examination.ts"),
  ]);
  return [...examinePaths(examinedPaths(program)), ...examineRefused(refusedObjects(program))];
}

async function checkOne(policy: string, invocation: Invocation, context: Context): Promise<number> {
  const json = invocation.has("json");
  const print = (found: readonly Diagnostic[]) => {
    for (const one of found) context.out(`${jsonText({ v: 1, ...one })}\n`);
  };
  try {
    const {
      program,
      sources,
      diagnostics: loaded,
      declarations,
      extension,
    } = await loadRequested(policyRequest(policy, invocation), context, { quiet: true });
    const [{ lintPolicy }, { sortAccepted, vainAcceptances }] = await Promise.all([
      import("../../analysis/lint/lint.ts"),
      import("../../analysis/lint/accepted.ts"),
    ]);
    const { left: diagnostics, accepted } = sortAccepted(
      [...loaded, ...lintPolicy(program, { declarations, extension }), ...vainAcceptances(program.files, sources)],
      sources,
    );
    const strictPaths = invocation.has("strict-paths");
    const changeable = strictPaths || !invocation.has("quiet") ? await findChangeable(program) : [];
    if (strictPaths && changeable.length > 0)
      throw new Failure(changeable.map((one) => ({ ...one, severity: "error" })));
    if (json) print([...diagnostics, ...changeable]);
    else await printDiagnostics([...diagnostics, ...changeable], sources, context);
    if (!json && !invocation.has("quiet")) {
      wayForThisUser(program, context);
      const { describeDefault } = await import("../policy/default-verdict.ts");
      const counted = (kind: string, { length }: readonly Diagnostic[]) =>
        length === 0 ? "" : `, ${length} ${kind}${length === 1 ? "" : "s"}`;
      const count = counted("warning", diagnostics) + counted("accepted warning", accepted);
      const otherwise = describeDefault(withSafeTexts(program));
      context.out(`${safeText(policy)}: compiles${count}; any other call: ${otherwise}\n`);
    }
    return diagnostics.length > 0 && invocation.has("strict") ? 1 : 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (json) print(error.diagnostics);
    else await printDiagnostics(error.diagnostics, error.sources ?? new Map(), context);
    return error.status;
  }
}
