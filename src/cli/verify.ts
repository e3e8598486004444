/** Asks this kernel's verifier about a bundle's program, for `compile --verify`. */
import type { Bundle } from "../backend/bundle/bundle.ts";
import { loadBundle } from "../backend/bundle/load.ts";
import { explainRefusal } from "../backend/bundle/refusal.ts";
import { diagnostic } from "../diagnostics/catalogue.ts";
import type { Sources } from "../diagnostics/render.ts";
import { pattern } from "../ir/arithmetic.ts";
import { defaultWords } from "../ir/parameters.ts";
import { logLevels, VerifierError } from "../machine/bpf/verifier-log.ts";
import { NativeUnavailableError } from "../machine/native.ts";
import { type OutputRules, writeOutput } from "./output.ts";
import { Failure } from "./verb.ts";

const logRules: OutputRules = { option: "--verifier-log" };

/**
 * @param logFile where to write the verifier's whole log
 * @throws Failure if the verifier refuses the program, or cannot be asked
 */
export function verify(bundle: Bundle, sources: Sources, logFile: string | undefined): void {
  try {
    const [words, ...others] = verifiedWords(bundle);
    const loaded = loadBundle(bundle, logFile === undefined ? 0 : logLevels.all | logLevels.statistics, words);
    loaded.close();
    if (logFile !== undefined) writeOutput(logFile, loaded.log ?? "", logRules);
    for (const one of others) loadBundle(bundle, 0, one).close();
  } catch (error) {
    if (error instanceof VerifierError && logFile !== undefined) writeOutput(logFile, error.log, logRules);
    if (error instanceof NativeUnavailableError)
      throw new Failure([diagnostic("P0605", error.message, { help: error.help })]);
    const refusal = explainRefusal(bundle, error);
    if (refusal === undefined) throw error;
    throw new Failure([refusal], sources);
  }
}

/** The verifier sees open parameters as constants: check with their defaults and with the ends of their ranges. */
function verifiedWords({ parameters }: Bundle): readonly (readonly bigint[])[] {
  if (parameters.length === 0) return [[]];
  const ends = (["from", "to"] as const).map((end) => parameters.map((one) => pattern(one[end])));
  return [defaultWords(parameters), ...ends];
}
