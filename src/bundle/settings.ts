/**
 * What `--set NAME=VALUE` gives for the parameters that a bundle leaves open, as the words that the launch map gets.
 * `native/launcher/parameters.c` does the same.
 */
import { parseParameter, printParameter } from "../ir/parameters.ts";
import type { Bundle } from "./bundle.ts";

/** Why settings cannot be used. */
export class SettingError extends Error {
  override readonly name = "SettingError";
  readonly help: string;
  constructor(message: string, help: string) {
    super(message);
    this.help = help;
  }
}

/** A word for each parameter, in the bundle's order. Throws a SettingError. */
export function parameterWordsFor(
  { name, parameters, fixed }: Pick<Bundle, "name" | "parameters" | "fixed">,
  settings: ReadonlyMap<string, string>,
): bigint[] {
  for (const given of settings.keys()) {
    if (parameters.some((one) => one.name === given)) continue;
    const constant = fixed.find(([other]) => other === given);
    if (constant !== undefined)
      throw new SettingError(
        `the parameter ${given} is fixed in this bundle: it is ${JSON.stringify(constant[1])}`,
        `compile the policy again: portcullis compile -p ${name}.ts --set ${given}=… -o FILE.pcl`,
      );
    const known = parameters.map((one) => one.name);
    throw new SettingError(
      `the bundle has no parameter ${JSON.stringify(given)}`,
      known.length > 0
        ? `those that are open are ${known.join(", ")}`
        : "none of its parameters is open: leave out --set",
    );
  }
  return parameters.map((parameter) => {
    const given = settings.get(parameter.name);
    if (given !== undefined) {
      const word = parseParameter(parameter, given);
      if (word !== undefined) return word;
      throw new SettingError(
        `the parameter ${parameter.name} is ${printParameter(parameter)}, and not ${JSON.stringify(given.slice(0, 80))}`,
        `--set ${parameter.name}=…`,
      );
    }
    if (parameter.default === undefined)
      throw new SettingError(
        `the parameter ${parameter.name} has no default, and is not given`,
        `--set ${parameter.name}=…, ${printParameter(parameter)}`,
      );
    return BigInt.asUintN(64, parameter.default);
  });
}
