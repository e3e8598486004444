/** `portcullis doctor`: prints what the examination of this machine (src/cli/doctor) found. */
import { jsonText } from "../../diagnostics/width.ts";
import type { Context } from "../context.ts";
import { noMoreWords } from "../policy/arguments.ts";
import { failed, type Verb } from "../verb.ts";

export const doctor: Verb = {
  name: "doctor",
  synopsis: ["doctor [--json]", "doctor --differences [--json]"],
  about: [
    "Runs small commands under small policies, each in a child, and derives which engines work on this machine and which conditions slow down or prevent the others: an old kernel, an outer filter or supervisor, forbidden ptrace, a kernel without the program type or without permission to use it, a native part that is not built.",
    "It also reports which recorders work, and what Landlock permits. Beyond these commands it changes nothing on the machine.",
  ],
  options: {
    differences: { about: "Instead of trying the engines, print how they differ (docs/engines.md, What differs)." },
    json: { about: "Print one JSON object per line, for each finding or difference." },
  },
  exit: [
    ["0", "Everything works on this machine."],
    ["1", "A requirement is missing."],
    [String(failed), "No engine works here."],
  ],
  examples: [
    ["portcullis doctor", "Which engines work on this machine?"],
    ["portcullis doctor --differences", "How do the engines differ?"],
  ],
  async execute(invocation, context: Context) {
    noMoreWords(invocation.words);
    if (invocation.has("differences")) {
      const { listDifferences, printDifference } = await import("../doctor/differences.ts");
      for (const difference of listDifferences()) {
        const json = invocation.has("json");
        context.out(json ? `${jsonText({ v: 1, kind: "difference", ...difference })}\n` : printDifference(difference));
      }
      return 0;
    }
    const { examine } = await import("../doctor/examination.ts");
    let status = 0;
    for (const finding of examine(context)) {
      status = Math.max(status, { fine: 0, note: 0, missing: 1, broken: failed }[finding.state]);
      if (invocation.has("json")) context.out(`${jsonText({ v: 1, kind: "finding", ...finding })}\n`);
      else context.out(printFinding(finding, context.colour.out));
    }
    return status;
  },
};

const marks = {
  fine: ["ok", "32"],
  note: ["note", "36"],
  missing: ["missing", "33"],
  broken: ["broken", "31"],
} as const;

function printFinding(
  { state, what, help }: { state: keyof typeof marks; what: string; help?: string | undefined },
  colour: boolean,
): string {
  const [word, code] = marks[state];
  const mark = word.padEnd(7);
  return `${colour ? `\x1b[${code}m${mark}\x1b[0m` : mark}  ${what}\n${help === undefined ? "" : `         ${help}\n`}`;
}
