/** The parameters of the policy that an unfinished command line names, for the completions of shells. */
import { parseArgs } from "node:util";
import { hostArchitecture } from "../../abi/architecture.ts";
import { decodeBundle } from "../../backend/bundle/read.ts";
import { loadPolicy } from "../../frontend/load.ts";
import { readBytes } from "../input.ts";
import { commonOptions, Failure, type Verb } from "../verb.ts";
import { isBundle, policyFile } from "./arguments.ts";
import { withBundleFaults } from "./bundle-fault.ts";

export interface LineParameter {
  readonly name: string;
  readonly kind: string;
  /** In the form of `--set`; undefined if a value must be given. */
  readonly default: string | undefined;
}

/**
 * The policy of a line: the value of -p, or the first word of a verb that takes the policy so. Undefined if the line has
 * none yet.
 *
 * @param words the words after the verb, in any state
 */
export function policyOfLine(verb: Verb, words: readonly string[]): string | undefined {
  const options = Object.fromEntries(
    Object.entries({ ...verb.options, ...commonOptions }).map(([name, { short, value }]) => [
      name,
      { type: value === undefined ? ("boolean" as const) : ("string" as const), ...(short !== undefined && { short }) },
    ]),
  );
  const { tokens } = parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true });
  // The options of `run` end where its command begins.
  const end = verb.takesCommand === true ? tokens.findIndex(({ kind }) => kind !== "option") : -1;
  const ours = end < 0 ? tokens : tokens.slice(0, end);
  for (const token of ours) if (token.kind === "option" && token.name === "policy") return token.value;
  const first = ours.find(({ kind }) => kind === "positional");
  return first?.kind === "positional" && verb.complete === "policy" ? first.value : undefined;
}

/**
 * The words of a line in which bash has split `--set name=value` at the sign.
 *
 * @param words as bash has them in COMP_WORDS
 */
export function joinedWords(words: readonly string[]): readonly string[] {
  const joined: string[] = [];
  let isOpen = false;
  for (const word of words) {
    const isSign = word === "=" && joined.length > 0;
    if (isSign || (isOpen && !word.startsWith("-"))) joined.push(`${joined.pop()}${word}`);
    else joined.push(word);
    isOpen = isSign;
  }
  return joined;
}

/**
 * Those that the policy declares. A policy with errors declares them as well, such as one whose parameters lack values.
 *
 * @throws Failure if the policy cannot be read, or has errors and no parameters
 */
export function parametersOf(policy: string, workingDirectory: string): readonly LineParameter[] {
  const file = policyFile(policy, workingDirectory);
  if (isBundle(file)) {
    const bytes = readBytes(file.name, file.openedAs);
    const { parameters } = withBundleFaults(file.name, () => decodeBundle(bytes));
    return parameters.map(({ name, kind, default: fallback }) => ({ name, kind, default: fallback?.toString() }));
  }
  const architecture = hostArchitecture() ?? "x86_64";
  const { parameters, program, diagnostics, sources } = loadPolicy(file.name, {
    openedAs: file.openedAs,
    architecture,
  });
  if (parameters.length === 0 && program === undefined) throw new Failure(diagnostics, sources);
  return parameters;
}
