/**
 * Turns `--set NAME=VALUE` for the open parameters of a bundle into words of the launch map.
 * `native/launcher/parameters.c` does the same.
 */
import { parseParameter, printParameter } from "../../ir/parameters.ts";
import type { Bundle } from "./bundle.ts";

/** Settings that cannot be used. */
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
      known.length > 0 ? `open parameters: ${known.join(", ")}` : "the bundle has no open parameters: leave out --set",
    );
  }
  return parameters.map((parameter) => {
    const given = settings.get(parameter.name);
    if (given !== undefined) {
      const word = parseParameter(parameter, given);
      if (word !== undefined) return word;
      throw new SettingError(
        `the parameter ${parameter.name} must be ${printParameter(parameter)}, not ${JSON.stringify(given.slice(0, 80))}`,
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
