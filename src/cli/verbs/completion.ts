/** `portcullis completion`: the script of a shell, made from the pages of all verbs. */
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { completionScript, shells } from "../pages/shells.ts";
import { missing, noMoreWords } from "../policy/arguments.ts";
import { Failure, failed, type Verb, type VerbTable } from "../verb.ts";

export const completion = (verbs: VerbTable): Verb => ({
  name: "completion",
  summary: "Print the completions for a shell",
  synopsis: ["completion bash|zsh|fish"],
  about: [
    "Prints a script for completion of verbs, options and files. Load it from the shell's start-up file, or install it in the shell's folder for completions.",
  ],
  options: {},
  complete: shells,
  exit: [
    ["0", "The script was printed."],
    [String(failed), "There are no completions for this shell."],
  ],
  examples: [
    ["source <(portcullis completion bash)", "In ~/.bashrc"],
    ["portcullis completion zsh > ~/.zfunc/_portcullis", "For zsh, with ~/.zfunc in fpath"],
    ["portcullis completion fish > ~/.config/fish/completions/portcullis.fish", "For fish"],
  ],
  async execute({ words: [shell, ...more] }, context) {
    noMoreWords(more);
    if (shell === undefined) throw missing("the shell", "portcullis completion bash, zsh or fish");
    const known = shells.find((one) => one === shell);
    if (known === undefined) {
      throw new Failure([
        diagnostic("P0907", `there are no completions for ${JSON.stringify(shell)}`, { help: "bash, zsh or fish" }),
      ]);
    }
    const loaded: Verb[] = [];
    for (const entry of Object.values(verbs)) loaded.push(await entry.load());
    context.out(completionScript(known, loaded));
    return 0;
  },
});
