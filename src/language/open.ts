/**
 * Which of a policy's parameters can stay open until it is started: those whose value nothing needs before.
 *
 * What needs it is not listed anywhere. A parameter that is left open is an integer of its range to the compiler, known
 * no better than an argument; where something has to be known when the policy is compiled, or may leave 64 bits, that is
 * an error like any other. So a parameter can stay open exactly where the policy compiles with it open.
 */
import { hasErrors } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { maximumParameters } from "../ir/limits.ts";
import { type LoadedPolicy, type LoadOptions, loadPolicy } from "./load.ts";

export interface OpenPolicy {
  /** With an error exactly where the policy does not compile with all of its parameters as constants either. */
  readonly loaded: LoadedPolicy;
  /** The integers and flags that were not given and are constants all the same, with what is wrong where they stay open. */
  readonly fixed: ReadonlyMap<string, Diagnostic | undefined>;
}

type Objections = (loaded: LoadedPolicy) => readonly Diagnostic[];

/**
 * Loads a policy with as many parameters open as can be, in the order in which it declares them.
 *
 * @param objections what else is wrong with a policy that compiles
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
