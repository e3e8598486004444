/** Options whose value is one of a few words. */
import { diagnostic } from "../diagnostics/catalogue.ts";
import { nearestName } from "../diagnostics/suggest.ts";
import { Failure } from "./verb.ts";

/** @throws Failure for a word that is not one of `names` */
export function oneOf<Name extends string>(option: string, given: string, names: readonly Name[]): Name {
  const found = names.find((name) => name === given);
  if (found !== undefined) return found;
  const near = nearestName(given, names);
  throw new Failure([
    diagnostic("P0907", `--${option} ${given} is not one of its values`, {
      help: near === undefined ? `write one of ${names.join(", ")}` : `write --${option} ${near}`,
    }),
  ]);
}
