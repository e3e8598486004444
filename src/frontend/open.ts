/**
 * Finds the parameters of a policy that can stay open until it is started: those whose value the compiler does not need.
 *
 * There is no list of uses that need the value. To the compiler an open parameter is an integer of its range, as unknown
 * as an argument; a use that needs a constant or could exceed 64 bits is an ordinary error. So a parameter can stay open
 * if and only if the policy compiles with it open.
 */
import { hasErrors } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { maximumParameters } from "../ir/limits.ts";
import { type LoadedPolicy, type LoadOptions, loadPolicy } from "./load.ts";

export interface OpenPolicy {
  /** Has an error if and only if the policy does not compile with all parameters as constants either. */
  readonly loaded: LoadedPolicy;
  /**
   * The integers and flags that have no given value but must be constants, with the error that they cause when open.
   */
  readonly fixed: ReadonlyMap<string, Diagnostic | undefined>;
}

type Objections = (loaded: LoadedPolicy) => readonly Diagnostic[];

/**
 * Loads a policy with as many parameters open as possible, in the order of their declarations.
 * @param objections further errors of a policy that compiles
 */
export function loadOpenPolicy(
  path: string,
  options: Omit<LoadOptions, "open">,
  objections: Objections = () => [],
): OpenPolicy {
  const whatIsWrong = (loaded: LoadedPolicy): readonly Diagnostic[] =>
    hasErrors(loaded.diagnostics) ? loaded.diagnostics : objections(loaded);
  const withOpen = (includes: (name: string) => boolean, assumed: boolean): LoadedPolicy =>
    loadPolicy(path, { ...options, open: { includes, assumed } });

  const every = withOpen(() => true, false);
  const most = every.program?.parameters.length ?? 0;
  if (most <= maximumParameters && !hasErrors(whatIsWrong(every))) return { loaded: every, fixed: new Map() };

  const open = new Set<string>();
  const fixed = new Map<string, Diagnostic | undefined>();
  for (const name of openable([every, withOpen(() => false, true)], options.set ?? new Map())) {
    if (open.size === maximumParameters) {
      fixed.set(name, undefined);
      continue;
    }
    const wrong = whatIsWrong(withOpen((one) => one === name || open.has(one), true));
    if (hasErrors(wrong))
      fixed.set(
        name,
        wrong.find(({ severity }) => severity === "error"),
      );
    else open.add(name);
  }
  return { loaded: withOpen((name) => open.has(name), false), fixed };
}

function openable(attempts: readonly LoadedPolicy[], given: ReadonlyMap<string, string>): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { parameters } of attempts)
    for (const { name, kind } of parameters)
      if ((kind === "integer" || kind === "flag") && !given.has(name)) names.add(name);
  return names;
}
