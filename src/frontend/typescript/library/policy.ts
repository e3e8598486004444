/** `policy(step)`, `policy({ extends: […] }, step)` and `oci(profile)`. */

import { maximumEntries, maximumListBytes } from "../../../ir/observation.ts";
import { type BuiltinCall, constantString, describe, type PolicyValue, unknown, type Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { hostRules } from "./declared-hosts.ts";
import { limitsOf } from "./declared-limits.ts";
import { objectSettings, objectsOf } from "./declared-objects.ts";
import { importProfile } from "./imported-profile.ts";
import { Options } from "./options.ts";

export function policyFunction(c: Compilation): Value {
  return {
    is: "builtin",
    name: "policy",
    apply: (call) => {
      if (c.time === "step") {
        return c.error(
          "P0306",
          call.node,
          "a policy is declared inside the step",
          "at the top of the module, in `extends`",
        );
      }
      const given = call.values(true);
      if (given === undefined) return unknown;
      const settings = given.length === 2 ? given[0] : undefined;
      const step = given.at(-1);
      if (step === undefined || given.length > 2) {
        return c.error("P0212", call.node, "a policy takes optional settings and its step", "policy((call) => allow)");
      }
      const options = new Options(c, settings?.value, settings?.node ?? call.node, "the settings of a policy", [
        "extends",
        "lists",
        "readOnlyProc",
        "hosts",
        "limits",
        ...objectSettings,
      ]);
      const extended = extendedPolicies(options);
      const lists = listBounds(c, options);
      const readOnlyProc = options.flag("readOnlyProc") ?? false;
      const { layer, steps } = objectsOf(c, options);
      const hosts = hostRules(c, options);
      const limits = limitsOf(c, options);
      if (step.value.is === "unknown") return unknown;
      if (step.value.is !== "function") {
        return c.error(
          "P0207",
          step.node,
          `the step is a function, not ${describe(step.value)}`,
          "policy((call) => { … })",
        );
      }
      if (step.value.node.params.length > 1) {
        return c.error(
          "P0212",
          step.node,
          "a step takes one argument, the call",
          "policy((call) => …), and call.name, call.args, call.caller",
        );
      }
      c.findings.policySteps.add(step.value);
      if (options.failed) return unknown;
      const body = { is: "step", step: step.value } as const;
      return {
        is: "policy",
        body,
        extended: [...extended, ...steps],
        lists,
        readOnlyProc,
        objects: layer,
        hosts,
        limits,
        at: call.node,
        file: c.file,
      };
    },
  };
}

function extendedPolicies(options: Options): readonly PolicyValue[] {
  const list = options.get("extends");
  if (list === undefined) return [];
  if (list.is !== "list") {
    if (list.is !== "unknown") {
      options.refuse("extends", "P0207", `\`extends\` is a list of policies, not ${describe(list)}`, "extends: [base]");
    }
    options.failed = true;
    return [];
  }
  const policies: PolicyValue[] = [];
  for (const element of list.elements) {
    if (element.is === "policy") policies.push(element);
    else {
      if (element.is !== "unknown") {
        options.refuse(
          "extends",
          "P0207",
          `\`extends\` is a list of policies, and one element is ${describe(element)}`,
          element.is === "function"
            ? "call it: it returns a policy"
            : `import base from "${readyFile(element) ?? "./base.ts"}", and extends: [base]`,
        );
      }
      options.failed = true;
    }
  }
  return policies;
}

/** `lists: { entries: 64n, bytes: 4096n }`. */
function listBounds(c: Compilation, options: Options): PolicyValue["lists"] {
  const value = options.get("lists");
  if (value === undefined) return undefined;
  const bounds = new Options(c, value, options.placeOfValue("lists"), "the bounds of argument lists", [
    "entries",
    "bytes",
  ]);
  const bound = (name: string, most: number): number | undefined => {
    const given = bounds.integer(name);
    if (given === undefined) return undefined;
    if (given >= 1n && given <= BigInt(most)) return Number(given);
    bounds.refuse(name, "P0213", `\`${name}\` of the bounds of argument lists is 1 to ${most}, and this is ${given}`);
    return undefined;
  };
  const lists = { entries: bound("entries", maximumEntries), bytes: bound("bytes", maximumListBytes) };
  if (bounds.failed) options.failed = true;
  return lists;
}

/** The import of a ready policy that a string names. */
function readyFile(element: Value): string | undefined {
  const name = constantString(element);
  return name !== undefined && /^[a-z][a-z-]*$/.test(name) ? `portcullis/policies/${name}.ts` : undefined;
}

export function ociFunction(c: Compilation): Value {
  return {
    is: "builtin",
    name: "oci",
    apply: (call: BuiltinCall) => {
      const given = call.values();
      if (given === undefined) return unknown;
      const [profile] = given;
      if (profile?.value.is !== "json") {
        return c.error(
          "P0207",
          profile?.node ?? call.node,
          "`oci` takes a profile that is imported as JSON",
          'import profile from "./seccomp.json" with { type: "json" }',
        );
      }
      return importProfile(c, profile.value, given[1]?.value, call.node);
    },
  };
}
