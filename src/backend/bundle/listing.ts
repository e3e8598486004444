/**
 * The text of a bundle for `disasm`: its properties, its requirements, and its program with the policy's places.
 */

import { describeDeclared } from "../../abi/declared-arguments.ts";
import { errnoName } from "../../abi/errno.ts";
import { splitReturnWord } from "../../abi/return-word.ts";
import { safeText } from "../../diagnostics/width.ts";
import { printParameter, printValue } from "../../ir/parameters.ts";
import { decode } from "../ebpf/instructions/decode.ts";
import { disassemble } from "../ebpf/instructions/disassemble.ts";
import { slotPositions } from "../ebpf/instructions/instruction.ts";
import type { Rule, Ruleset } from "../landlock/rulesets.ts";
import type { Bundle, BundleMap, BundleParameter, BundleRoom, Place } from "./bundle.ts";
import { digestIn } from "./format.ts";
import { decodeBundle } from "./read.ts";

const column = 48;

/**
 * Throws a BundleError if the file is not a bundle, a RangeError if it has an instruction that our compiler never
 * emits.
 */
export function listBundle(file: Uint8Array): string {
  const bundle = decodeBundle(file);
  const named = new Map(bundle.relocations.map(({ instruction, index }) => [instruction, index]));
  const instructions = decode(bundle.program, {
    map: (slot) => named.get(slot)!,
    kernelFunction: (slot) => bundle.kernelFunctions[named.get(slot)!]!,
  });
  const positions = slotPositions(instructions);
  const places = new Map(bundle.sourceMap.map(({ instruction, at }) => [instruction, at]));
  let at: Place | undefined;
  const lines = disassemble(instructions).map((text, index) => {
    const slot = positions[index]!;
    if (places.has(slot)) at = places.get(slot);
    return at === undefined ? text : `${text.padEnd(column)} ; ${at.file}:${at.line}:${at.column}`;
  });
  return [...heading(bundle, digestIn(file)), ...lines].map((line) => `${safeText(line)}\n`).join("");
}

function heading(bundle: Bundle, digest: string): string[] {
  const { name, target, compiler, architecture, parameters, fixed, classic, classicIsAll, locked, matches } = bundle;
  const whole = classicIsAll ? ", the whole policy" : ", the weakest verdict if state decides";
  return [
    `; ${name} for ${target} on ${architecture}, by ${compiler}`,
    `; sha256 ${digest}`,
    ...fixed.map(([parameter, value]) => `; fixed: --set ${parameter}=${value}`),
    ...parameters.map((parameter) => `; open: ${describeParameter(parameter)}`),
    classic.length === 0
      ? "; no classic program: the static part does not fit one"
      : `; classic program: ${classic.length / 8} instructions${whole}`,
    ...bundle.maps.map((map, index) => `; map[${index}] ${describeMap(map)}`),
    ...bundle.states.map(({ name: state, scope, fork, size }, index) => {
      return `; state[${index}] ${state}: ${size} bytes for each ${scope}; a child's is ${forkWords[fork]}`;
    }),
    ...bundle.rooms.map(describeRoom),
    ...bundle.declared.map((declared) => `; ${describeDeclared(bundle.architecture, declared)}`),
    ...(bundle.readOnlyProc ? ["; the tree opens files of proc file systems for reading only (Landlock)"] : []),
    ...bundle.objects.flatMap(describeRuleset),
    ...(matches ? ["; the kernel matches texts for it"] : []),
    ...(locked ? ["; the kernel holds the locks of its states while it runs"] : []),
  ];
}

function describeRuleset({ files, ports, scopes, rules }: Ruleset, index: number): string[] {
  return [
    `; layer[${index}] restricts ${[...files, ...ports, ...scopes].join(" ")} (Landlock)`,
    ...rules.map((rule) => `;   ${describeRule(rule)}`),
  ];
}

function describeRule(rule: Rule): string {
  switch (rule.is) {
    case "beneath":
      return `${rule.path}: ${rule.access.join(" ")}${rule.optional ? ", if it exists" : ""}${rule.whole ? ", also on the way to exceptions" : ""}`;
    case "port":
      return `port ${rule.port}: ${rule.access.join(" ")}`;
    case "except":
      return `except ${rule.path}`;
    case "protect":
      return `protect ${rule.path}${rule.isDirectory ? ", a directory" : ""}`;
    case "above-protected":
      return `do not rename ${rule.path}`;
    case "private":
      return `private ${rule.path}${rule.optional ? ", if it exists" : ""}`;
    case "shown":
      return `show ${rule.path}${rule.isReadOnly ? ", read-only" : ""}, if it exists`;
    case "processes":
      return `at most ${rule.most} processes and threads`;
    case "private-size":
      return `at most ${rule.most} KiB in each private directory`;
    case "streams":
      return `the standard streams: ${rule.access.join(" ")}`;
  }
}

function describeRoom({ name, scope, sides, exclusive, late, timeout }: BundleRoom, index: number): string {
  const alone = Array.from({ length: sides }, (_, side) => side).filter((side) => (exclusive >>> side) & 1);
  const one = alone.length === 0 ? "" : `, one call at a time in ${alone.join(", ")}`;
  const { action, data } = splitReturnWord(late);
  const then = action === "ERRNO" ? `deny ${errnoName(data) ?? data}` : `${action}`.toLowerCase().replace("_", " ");
  return `; room[${index}] ${name}: ${sides === 1 ? "1 side" : `${sides} sides`} for each ${scope}${one}; ${then} after ${timeout} ns`;
}

function describeParameter({ name, at, ...parameter }: BundleParameter): string {
  const fallback =
    parameter.default === undefined ? "must be given" : `${printValue(parameter, parameter.default)} by default`;
  const place = at === undefined ? "" : `  ${at.file}:${at.line}:${at.column}`;
  return `--set ${name}=…, ${printParameter(parameter)}; ${fallback}${place}`;
}

const forkWords = { copy: "a copy", fresh: "fresh", share: "the same" } as const;

function describeMap({ name, type, keySize, valueSize, capacity, holds }: BundleMap): string {
  const purpose = { launch: ", frozen: values of the start", constants: ", constant", state: "", events: "" }[holds];
  if (type === "ring-buffer") return `${name}: ring buffer of ${capacity} bytes`;
  return `${name}: ${type} of ${capacity} × ${valueSize} bytes${type === "hash" ? ` by keys of ${keySize}` : ""}${purpose}`;
}
