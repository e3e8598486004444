/** Chooses an engine: by name, or the first that works on this machine. */
import { diagnostic } from "../diagnostics/catalogue.ts";
import { StartError } from "../engines/launcher/start-error.ts";
import { type EngineName, engineNames, engineOf, engines } from "../engines/registry.ts";
import { Failure, type Invocation, type OptionTable } from "./verb.ts";

/** The last one, which needs the least of the kernel. */
const fallback: EngineName = engines[engines.length - 1]!.name;

export const engineChoices = ["auto", ...engineNames] as const;
export type EngineChoice = "auto" | EngineName;

/** @throws Failure */
export function chosenEngine(invocation: Invocation): EngineChoice {
  const given = invocation.text("engine") ?? "auto";
  const found = engineChoices.find((name) => name === given);
  if (found !== undefined) return found;
  throw new Failure([
    diagnostic("P0907", `there is no engine ${JSON.stringify(given)}`, {
      help: `--engine ${engineNames.join(" or ")}; \`portcullis doctor\` tries them here`,
    }),
  ]);
}

/** For the verbs that show the filter of an engine, even if it does not work on this machine. */
export const describedEngineOption: OptionTable = {
  engine: {
    value: "NAME",
    about: `The engine whose filter is shown: ${engineNames.join(" or ")}. By default ${fallback}.`,
    complete: engineNames,
  },
};

/** @throws Failure */
export function describedEngine(invocation: Invocation): EngineName {
  const choice = chosenEngine(invocation);
  return choice === "auto" ? fallback : choice;
}

/** An engine that works on this machine. */
export interface Candidate {
  readonly engine: EngineName;
  /** From its `Availability`. */
  readonly variant: string;
}

/** The features that a start needs of its engine beside enforcement. */
export interface EngineDemands {
  readonly audit: boolean;
  readonly status: boolean;
}

/**
 * The engines that may enforce a policy, in the order of preference: the named one, or all that work. The first that
 * can express the policy is used.
 *
 * @throws StartError if the named one does not work on this machine, NativeUnavailableError
 */
export function candidates(choice: EngineChoice, { audit, status }: EngineDemands): readonly Candidate[] {
  const meets = ({ audits, hasStatus }: { readonly audits: boolean; readonly hasStatus: boolean }) =>
    (audits || !audit) && (hasStatus || !status);
  if (choice === "auto") {
    return engines.flatMap((engine) => {
      const found = meets(engine) ? engine.probe() : undefined;
      return found?.works === true ? [{ engine: engine.name, variant: found.variant }] : [];
    });
  }
  const engine = engineOf(choice);
  if (!meets(engine)) {
    const others = engines.filter(meets).map(({ name }) => name);
    const [what, option] =
      audit && !engine.audits
        ? ["cannot record verdicts without enforcing them", "--audit"]
        : ["has no status", "--status"];
    throw new StartError(125, `the engine ${choice} ${what}`, `${option} --engine ${others.join(" or ")}`);
  }
  const found = engine.probe();
  if (found.works) return [{ engine: choice, variant: found.variant }];
  const others = engines.filter((one) => one !== engine && meets(one) && one.probe().works);
  const { what, help } = found.missing;
  const instead = others.length === 0 ? "" : `; or --engine ${others.map(({ name }) => name).join(" or ")}`;
  throw new StartError(125, `the engine ${choice}: ${what}`, help + instead);
}
