/** `portcullis completion`: the script of a shell, made from the pages of all verbs. */
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { safeText } from "../../diagnostics/width.ts";
import type { Context } from "../context.ts";
import { completionScript, shells } from "../pages/shells.ts";
import { missing, noMoreWords } from "../policy/arguments.ts";
import { Failure, failed, pageOf, type Verb, type VerbTable } from "../verb.ts";

export const completion = (verbs: VerbTable): Verb => ({
  name: "completion",
  synopsis: ["completion bash|zsh|fish", "completion parameters -- LINE…"],
  about: [
    "Prints a script for completion of verbs, options, files, ready policies, and parameters after --set. Load it from the shell's start-up file, or install it in the shell's folder for completions.",
    "The scripts call `completion parameters` with the words after `portcullis` of an unfinished line. It prints NAME= and a description for each parameter of the line's policy, or NAME=true and NAME=false, between tabs; and nothing if the line names no policy.",
  ],
  options: {},
  complete: [...shells, "parameters"],
  exit: [
    ["0", "The script was printed."],
    [String(failed), "There are no completions for this shell, or the policy has errors and no parameters."],
  ],
  examples: [
    ["source <(portcullis completion bash)", "In ~/.bashrc"],
    ["portcullis completion zsh > ~/.zfunc/_portcullis", "For zsh, with ~/.zfunc in fpath"],
    ["portcullis completion fish > ~/.config/fish/completions/portcullis.fish", "For fish"],
  ],
  async execute({ words: [shell, ...more] }, context) {
    if (shell === "parameters") {
      context.out(await parameterLines(verbs, more, context));
      return 0;
    }
    noMoreWords(more);
    if (shell === undefined) throw missing("the shell", "portcullis completion bash, zsh or fish");
    const known = shells.find((one) => one === shell);
    if (known === undefined) {
      throw new Failure([
        diagnostic("P0907", `there are no completions for ${JSON.stringify(shell)}`, { help: "bash, zsh or fish" }),
      ]);
    }
    context.out(completionScript(known, await Promise.all(Object.values(verbs).map(pageOf))));
    return 0;
  },
});

async function parameterLines(verbs: VerbTable, line: readonly string[], context: Context): Promise<string> {
  const { joinedWords, parametersOf, policyOfLine } = await import("../policy/line-parameters.ts");
  const [name = "", ...words] = joinedWords(line);
  const verb = Object.hasOwn(verbs, name) ? await verbs[name]!.load() : undefined;
  const policy = verb === undefined ? undefined : policyOfLine(verb, words);
  if (policy === undefined) return "";
  const lines = parametersOf(policy, context.workingDirectory).flatMap(({ name, kind, default: fallback }) => {
    const about = `${kind}, ${fallback === undefined ? "must be set" : `${fallback} by default`}`;
    const values = kind === "flag" ? ["true", "false"] : [""];
    return values.map((value) => `${name}=${value}\t${safeText(about)}\n`);
  });
  return lines.join("");
}
