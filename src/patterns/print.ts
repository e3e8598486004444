/** Prints an automaton for people: in goldens, and in `explain` on request. */
import type { Automaton } from "./automaton.ts";
import { describePattern, type Pattern } from "./pattern.ts";

/**
 * Lists the patterns, then each state with its ways on, the most frequent one as `else`.
 *
 *     0  is "/a"
 *     state 1, start
 *       "/" → 2, else dead
 */
export function printAutomaton(automaton: Automaton, patterns: readonly Pattern[]): string {
  const { stateCount, classCount, settled, start, acceptSets, accepts } = automaton;
  const lines = [
    `${count(patterns.length, "pattern")}, ${count(stateCount, "state")}, ${count(classCount, "class", "classes")} of bytes`,
    ...patterns.map((pattern, index) => `${index}  ${describePattern(pattern)}`),
  ];
  for (let state = 1; state < stateCount; state++) {
    const bits = acceptSets[accepts[state]!]!;
    const matched = patterns.flatMap((_, index) => ((bits >> BigInt(index)) & 1n ? [index] : []));
    lines.push(
      [
        `state ${state}`,
        ...(state === start ? ["start"] : []),
        ...(matched.length > 0 ? [`matches ${matched.join(" ")}`] : []),
        ...(state < settled ? ["settled"] : []),
      ].join(", "),
    );
    if (state >= settled) lines.push(`  ${waysOn(automaton, state)}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

function waysOn({ classes, classCount, transitions }: Automaton, state: number): string {
  const bytesTo = new Map<number, number[]>();
  for (let byte = 0; byte < 256; byte++) {
    const to = transitions[state * classCount + classes[byte]!]!;
    bytesTo.set(to, [...(bytesTo.get(to) ?? []), byte]);
  }
  const ways = [...bytesTo];
  const usual = ways.reduce((most, way) => (way[1].length > most[1].length ? way : most));
  const name = (to: number): string => (to === 0 ? "dead" : `${to}`);
  return [
    ...ways.filter((way) => way !== usual).map(([to, bytes]) => `${ranges(bytes)} → ${name(to)}`),
    `${ways.length === 1 ? "any byte →" : "else"} ${name(usual[0])}`,
  ].join(", ");
}

function ranges(bytes: readonly number[]): string {
  const parts: string[] = [];
  for (let index = 0; index < bytes.length; ) {
    let last = index;
    while (bytes[last + 1] === bytes[last]! + 1) last += 1;
    const [from, to] = [byteName(bytes[index]!), byteName(bytes[last]!)];
    parts.push(last === index ? from : last === index + 1 ? `${from} ${to}` : `${from}–${to}`);
    index = last + 1;
  }
  return parts.join(" ");
}

function byteName(byte: number): string {
  if (byte > 0x20 && byte < 0x7f) return JSON.stringify(String.fromCharCode(byte));
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
