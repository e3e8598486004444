/** `portcullis explain`: prints the policy's decisions by call (src/analysis/explain), or its IR. */
import { jsonText } from "../../diagnostics/width.ts";
import { describedEngine, describedEngineOption } from "../engine.ts";
import { architectureOption, noMoreWords, policyAndWords, policyOptions, policyRequest } from "../policy/arguments.ts";
import { loadRequested } from "../policy/load.ts";
import { withSafeTexts } from "../policy/safe-program.ts";
import { failed, type Verb } from "../verb.ts";

export const explain: Verb = {
  name: "explain",
  summary: "Show what a policy does with each call, and where that is decided",
  synopsis: ["explain [OPTIONS] POLICY"],
  about: [
    "Prints what becomes of any call that the policy does not speak of, and then a table: calls that are treated alike, the verdict in each phase and under each condition on arguments, where that is decided, and the policy's line.",
    "Where a verdict is decided is what it costs. The kernel answers from a bitmap (nothing to speak of) or by running the filter; what depends on state goes to the engine, which costs a few microseconds with notify. Warnings name calls that are often made and made stateful for nothing, and what an engine cannot do exactly.",
  ],
  options: {
    ...policyOptions,
    ...architectureOption,
    ...describedEngineOption,
    json: { about: "Print one JSON object with all of it; members are only ever added." },
    ir: {
      about: "Print the intermediate representation instead: what the policy means, for people who debug compilers.",
    },
  },
  complete: "policy",
  exit: [
    ["0", "The policy was explained."],
    [String(failed), "The policy does not compile."],
  ],
  examples: [
    ["portcullis explain nginx.ts", "A table"],
    [
      "portcullis explain --json nginx.ts | jq '.rows[] | select(.cases[].decided == \"supervisor\") | .calls'",
      "What costs something",
    ],
  ],
  async execute(invocation, context) {
    const { policy, words } = policyAndWords(invocation);
    noMoreWords(words);
    const loaded = await loadRequested(policyRequest(policy, invocation), context);
    const isJson = invocation.has("json") && !invocation.has("ir");
    const program = isJson ? loaded.program : withSafeTexts(loaded.program);
    if (invocation.has("ir")) {
      const { printProgram } = await import("../../ir/print.ts");
      const text = printProgram(program);
      context.out(text.endsWith("\n") ? text : `${text}\n`);
      return 0;
    }
    const { explainPolicy } = await import("../../analysis/explain/explain.ts");
    const [{ explainOptions }, { compilers }] = await Promise.all([
      import("../../engines/static-filter.ts"),
      import("../../engines/compilers.ts"),
    ]);
    const explanation = explainPolicy(program, explainOptions(compilers[describedEngine(invocation)], program));
    if (isJson) {
      context.out(`${jsonText(explanation)}\n`);
    } else {
      const { renderExplanation } = await import("../../analysis/explain/render.ts");
      const columns = Number(context.environment["COLUMNS"] ?? Number.NaN);
      context.out(renderExplanation(explanation, Number.isInteger(columns) && columns >= 60 ? { width: columns } : {}));
    }
    return 0;
  },
};
