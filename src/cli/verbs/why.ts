/** `portcullis why`: prints the verdicts that one call can get, and the lines that give them. */
import { jsonText } from "../../diagnostics/width.ts";
import { lackingName } from "../../engines/simulate/decision.ts";
import { describedEngine, describedEngineOption } from "../engine.ts";
import {
  architectureOption,
  missing,
  noMoreWords,
  policyAndWords,
  policyOptions,
  policyRequest,
} from "../policy/arguments.ts";
import { loadRequested } from "../policy/load.ts";
import { withSafeTexts } from "../policy/safe-program.ts";
import { Failure, failed, type Verb } from "../verb.ts";

export const why: Verb = {
  name: "why",
  synopsis: ["why [OPTIONS] POLICY CALL", "why [OPTIONS] -p POLICY CALL"],
  about: [
    'Prints the verdict of the policy on one call. Write the call as strace prints it, or paste its line, with the process and the result; absent arguments are 0. If the policy asks about the memory behind a pointer, write that memory: "/etc/hosts", ["git", "log"], 10.0.0.1:443, unix:/run/agent, {flags=O_RDONLY}; the output names the policy\'s patterns that match. raw.arg0= to raw.arg5= give whole registers, and call_999(…) is a call by its number (docs/cases.md).',
    "If the verdict depends on state, all verdicts are printed with their lines and the state that they depend on, and the verdict for the first call of the command's first process.",
  ],
  options: {
    ...policyOptions,
    ...architectureOption,
    ...describedEngineOption,
    json: { about: "Print one JSON object." },
  },
  complete: "policy",
  exit: [
    ["0", "The call passes, in every state."],
    ["1", "The call does not pass, or not in every state."],
    [String(failed), "The policy does not compile, or the call cannot be read."],
  ],
  examples: [
    ["portcullis why web.ts 'listen(4, 511)'", "A verdict that depends on state"],
    ["portcullis why -p exec-once 'execve(\"/bin/sh\")'", "A verdict of one line"],
    ["portcullis why build-step 'openat(AT_FDCWD, \"x\", O_WRONLY|O_CREAT)'", "Flags by name"],
    ["portcullis why p.ts 'connect(3, 10.0.0.1:443)'", "Memory behind a pointer"],
    ["portcullis why web.ts 'listen(4, raw.arg1=0x1000001ff)'", "A register with more bits than the kernel uses"],
  ],
  async execute(invocation, context) {
    const { policy, words } = policyAndWords(invocation);
    const [call, ...more] = words;
    if (call === undefined) throw missing("the call", "portcullis why POLICY 'listen(4, 511)'");
    noMoreWords(more);
    const { program, sources } = await loadRequested(policyRequest(policy, invocation), context, { quiet: true });
    const [{ readCall }, { answer, printAnswer }, { compilerOf }] = await Promise.all([
      import("../../cases/cases.ts"),
      import("../answer.ts"),
      import("../../engines/compilers.ts"),
    ]);
    const reading = readCall(call, program.architecture);
    if (reading.call === undefined)
      throw new Failure(reading.diagnostics, { get: (file) => (file === reading.file ? call : sources.get(file)) });
    const isJson = invocation.has("json");
    const profile = await compilerOf(describedEngine(invocation));
    const found = answer(isJson ? program : withSafeTexts(program), reading.call, profile);
    context.out(
      isJson ? `${jsonText({ v: 1, ...found, lacking: found.lacking.map(lackingName) })}\n` : printAnswer(found),
    );
    return found.passes === true ? 0 : 1;
  },
};
