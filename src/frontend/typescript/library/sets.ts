/** Sets of calls: `calls("@network-io", "futex")`, `calls.open`, `.without`, `.has(call)`. */

import { callFamilies } from "../../../abi/families.ts";
import { groups } from "../../../abi/groups.ts";
import { isCreatingCall } from "../../../abi/process-calls.ts";
import { explainUnknownCall } from "../../../abi/unknown-call.ts";
import { uringCalls } from "../../program/call-names.ts";
import * as ir from "../../program/ir.ts";
import { event, type Facts, noFacts } from "../values/facts.ts";
import {
  type BooleanValue,
  type BuiltinCall,
  boolean,
  type CallSetValue,
  constantString,
  describe,
  unknown,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";

export function callsFunction(c: Compilation): Value {
  return {
    is: "builtin",
    name: "calls",
    apply: (call) => {
      const named = collect(c, call, "calls");
      return named ?? unknown;
    },
    members: new Map(
      callFamilies.map((family) => [
        family.name,
        (): Value => ({ is: "call-set", names: c.names.maskOf(family.members), literal: new Set(family.members) }),
      ]),
    ),
  };
}

function collect(c: Compilation, call: BuiltinCall, method: string): CallSetValue | undefined {
  const given = call.values();
  if (given === undefined) return undefined;
  if (given.length === 0) {
    c.error("P0212", call.node, `\`${method}()\` needs the name of a call`, 'name at least one: calls("openat")');
    return undefined;
  }
  let names = 0n;
  let failed = false;
  const literal = new Set<string>();
  for (const { value, node } of given) {
    const name = constantString(value);
    if (name === undefined) {
      c.error(
        "P0207",
        node,
        `\`${method}\` takes names of calls, not ${describe(value)}`,
        value.is === "list" ? `leave out the brackets, or spread the list: ${method}(...list)` : undefined,
      );
      failed = true;
      continue;
    }
    const group = groups().get(name);
    const bit = c.names.bit(name);
    if (group !== undefined) names |= c.names.maskOf(group);
    else if (bit !== undefined) {
      names |= bit;
      literal.add(name);
    } else {
      failed = true;
      const { message, help } = explainUnknownCall(name);
      c.error("P0101", node, message, help);
    }
  }
  return failed ? undefined : { is: "call-set", names, literal };
}

export function callSetMember(c: Compilation, set: CallSetValue, name: string): Value | undefined {
  switch (name) {
    case "has":
      return { is: "builtin", name, apply: (call) => has(c, set, call) };
    case "without":
      return {
        is: "builtin",
        name,
        apply: (call) => {
          const without = collect(c, call, "without");
          if (without === undefined) return unknown;
          const names = set.names & ~without.names;
          const literal = new Set([...set.literal].filter((one) => (c.names.bit(one)! & names) !== 0n));
          return { is: "call-set", names, literal };
        },
      };
    default:
      return undefined;
  }
}

function has(c: Compilation, set: CallSetValue, call: BuiltinCall): Value {
  const given = call.values();
  if (given === undefined) return unknown;
  const [one, ...rest] = given;
  if (one === undefined || rest.length > 0) return c.error("P0212", call.node, "`.has` takes the call");
  if (one.value.is !== "call") {
    return c.error(
      "P0207",
      one.node,
      `\`.has\` takes the call, not ${describe(one.value)}`,
      one.value.is === "string" ? "set.has(call), not its name" : undefined,
    );
  }
  for (const name of set.literal) {
    if (uringCalls.includes(name) || isCreatingCall(name)) c.findings.literalNames.add(name);
  }
  if (set.names !== 0n && (set.names & c.names.present) === 0n) {
    c.warn("P0505", call.node, `${c.names.architecture} has none of these calls: this is never true`);
  }
  return nameTest(c, set.names, one.value.reference);
}

/** A test of the call's name. It narrows the event and the variable that holds the call. */
export function nameTest(c: Compilation, mask: bigint, reference: number): BooleanValue {
  const possible = c.eventNames;
  const facts = (names: bigint, left: bigint): Facts => {
    const known = new Map<number, bigint>();
    known.set(event, left);
    known.set(reference, names);
    const { ranges, orders } = noFacts;
    return left === 0n ? { ranges, names: known, orders, impossible: true } : { ranges, names: known, orders };
  };
  const inside = possible & mask;
  const test = inside === 0n ? ir.never : inside === possible ? ir.always : c.names.test(mask);
  return boolean(test, facts(mask, inside), facts(~mask & c.names.all, possible & ~mask));
}
