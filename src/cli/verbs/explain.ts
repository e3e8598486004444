/** `portcullis explain`: prints the policy's decisions by call (src/analysis/explain), or its IR. */
import { jsonText } from "../../diagnostics/width.ts";
import { abiOfThisKernel } from "../../machine/landlock-abi.ts";
import { describedEngine, describedEngineOption } from "../engine.ts";
import { architectureOption, noMoreWords, policyAndWords, policyOptions, policyRequest } from "../policy/arguments.ts";
import { loadForThisUser } from "../policy/protection.ts";
import { withSafeTexts } from "../policy/safe-program.ts";
import { failed, type Verb } from "../verb.ts";

export const explain: Verb = {
  name: "explain",
  synopsis: ["explain [OPTIONS] POLICY"],
  about: [
    "Prints the verdict on calls that no rule names, and then a table: groups of calls with equal treatment, the verdict in each phase and under each condition on arguments, the place of the decision, and the policy's line.",
    "The place of the decision determines the cost. The kernel decides from a bitmap (at almost no cost) or by the filter; the engine decides verdicts that depend on state or memory. If the engine has a supervisor, this also gives refusals and logs that need no state (`supervisor, event`), so that they become events; with `run --no-denial-events` the filter gives them. Warnings name frequent calls that are stateful without need, and verdicts that an engine cannot give exactly.",
  ],
  options: {
    ...policyOptions,
    ...architectureOption,
    ...describedEngineOption,
    json: { about: "Print all of this as one JSON object; later versions only add members." },
    ir: {
      about: "Print the intermediate representation instead, to debug the compiler.",
    },
  },
  complete: "policy",
  exit: [
    ["0", "The policy was explained."],
    [String(failed), "The policy does not compile."],
  ],
  examples: [
    ["portcullis explain web.ts", "A table"],
    [
      'portcullis explain --json web.ts | jq \'.rows[] | select(.cases[].decided | . == "supervisor" or . == "event") | .calls\'',
      "The calls that cost a round trip to the supervisor",
    ],
  ],
  async execute(invocation, context) {
    const { policy, words } = policyAndWords(invocation);
    noMoreWords(words);
    const loaded = await loadForThisUser(policyRequest(policy, invocation), context);
    const isJson = invocation.has("json") && !invocation.has("ir");
    const program = isJson ? loaded.program : withSafeTexts(loaded.program);
    if (invocation.has("ir")) {
      const { printProgram } = await import("../../ir/print.ts");
      const text = printProgram(program);
      context.out(text.endsWith("\n") ? text : `${text}\n`);
      return 0;
    }
    const { explainPolicy } = await import("../../analysis/explain/explain.ts");
    const [{ explainOptions }, { compilerOf }, { descriptions }, { warningsOf }] = await Promise.all([
      import("../../engines/engine/static-filter.ts"),
      import("../../engines/compilers.ts"),
      import("../../engines/descriptions.ts"),
      import("../../engines/engine/description.ts"),
    ]);
    const engine = describedEngine(invocation);
    const explanation = explainPolicy(program, {
      ...explainOptions(await compilerOf(engine), program),
      landlockAbi: abiOfThisKernel(),
      warnings: warningsOf(descriptions[engine]),
    });
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
