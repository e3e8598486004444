/** Combines the steps of a policy and of all policies that it extends into one program body. */

import { type Limit, mostLayers, type ObjectLayer } from "../../../ir/objects.ts";
import { type ListBounds, maximumEntries, maximumListBytes } from "../../../ir/observation.ts";
import type { Statement, VerdictExpression } from "../../../ir/program.ts";
import { lowerImported } from "../library/imported-profile.ts";
import { noFacts } from "../values/facts.ts";
import {
  type CallValue,
  constantString,
  describe,
  type FunctionValue,
  type PolicyValue,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { NamedCall } from "../walk/findings.ts";
import type { ReturnTarget } from "../walk/flow.ts";
import { stable } from "./stable.ts";

/** Bases before their extensions, in order; a base that is reached twice occurs once. */
function partsOf(policy: PolicyValue, basesOf = ({ extended }: PolicyValue) => extended): PolicyValue[] {
  const parts = new Set<PolicyValue>();
  // Without recursion: a chain of extensions can be longer than the stack.
  const open: { readonly one: PolicyValue; next: number }[] = [{ one: policy, next: 0 }];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const base = basesOf(top.one)[top.next++];
    if (base === undefined) {
      parts.add(top.one);
      open.pop();
    } else if (!parts.has(base)) open.push({ one: base, next: 0 });
  }
  return [...parts];
}

/** The least of all parts: one list is read once, and combining policies tightens. */
function listBoundsOf(parts: readonly PolicyValue[]): ListBounds {
  const least = (most: number, of: (bounds: NonNullable<PolicyValue["lists"]>) => number | undefined): number =>
    Math.min(most, ...parts.map(({ lists }) => (lists === undefined ? undefined : of(lists)) ?? most));
  return {
    entries: least(maximumEntries, ({ entries }) => entries),
    bytes: least(maximumListBytes, ({ bytes }) => bytes),
  };
}

/** Members of a layer that say where it comes from. */
const origins: ReadonlySet<string> = new Set(["at", "places", "settings", "from"]);

/** The layers of all parts; equal ones once, because each costs the tree one of its domains. */
function layersOf(c: Compilation, parts: readonly PolicyValue[]): readonly ObjectLayer[] {
  const layers = new Map<string, ObjectLayer>();
  for (const { objects } of parts) {
    if (objects === undefined) continue;
    const key = JSON.stringify(objects, (name, value) => (origins.has(name) ? undefined : value));
    if (!layers.has(key)) layers.set(key, objects);
  }
  const last = parts.at(-1)!;
  if (layers.size > mostLayers) {
    c.reporter.report(
      "P0314",
      `${layers.size} of the combined policies declare \`files\`, \`tcp\`, \`udp\`, \`unix\` or \`scope\`, and at most ${mostLayers} can`,
      { file: last.file, node: last.at },
      "declare them in one policy",
    );
  }
  return [...layers.values()];
}

/** A tree with mounts has a user namespace of its own. */
const hasMounts = (layer: Pick<ObjectLayer, "files"> | undefined): boolean =>
  layer?.files !== undefined && layer.files.protect.length + layer.files.private.length > 0;

/** With the counters of processes, unless the kernel counts these. */
function countedParts(c: Compilation, policy: PolicyValue): { parts: PolicyValue[]; byKernel: boolean } {
  const parts = partsOf(policy);
  if (c.kernelCounts && parts.some(({ objects }) => hasMounts(objects))) return { parts, byKernel: true };
  const counters = ({ limits }: PolicyValue) => (limits?.processes === undefined ? [] : [limits.processes.counter]);
  return { parts: partsOf(policy, (one) => [...one.extended, ...counters(one)]), byKernel: false };
}

/** The lowest limits of all parts, in the first layer with mounts. */
function withLimits(
  layers: readonly ObjectLayer[],
  parts: readonly PolicyValue[],
  byKernel: boolean,
): readonly ObjectLayer[] {
  const lowest = (of: (limits: NonNullable<PolicyValue["limits"]>) => Limit | undefined): Limit | undefined =>
    parts
      .flatMap(({ limits }) => (limits === undefined ? [] : (of(limits) ?? [])))
      .reduce<Limit | undefined>(
        (low, { most, at, setting }) =>
          low === undefined || most < low.most ? { most, at, ...(setting === undefined ? {} : { setting }) } : low,
        undefined,
      );
  const limits = {
    processes: byKernel ? lowest(({ processes }) => processes) : undefined,
    privateSize: lowest(({ privateSize }) => privateSize),
  };
  const first = layers.findIndex(hasMounts);
  if (limits.processes === undefined && limits.privateSize === undefined) return layers;
  return layers.map((layer, index) => (index === first ? { ...layer, limits } : layer));
}

/** A policy's body. If it extends others, also its own step and theirs, each as a separate body. */
export interface LoweredPolicy {
  readonly body: readonly Statement[];
  readonly extension?: {
    readonly own: readonly Statement[];
    readonly base: readonly Statement[];
    readonly named: readonly NamedCall[];
  };
}

export function lowerPolicy(c: Compilation, policy: PolicyValue): LoweredPolicy {
  const { parts, byKernel } = countedParts(c, policy);
  const out: Statement[] = [];
  c.time = "step";
  c.builder.observations.listBounds = listBoundsOf(parts);
  c.builder.readOnlyProc = parts.some(({ readOnlyProc }) => readOnlyProc);
  c.builder.objects = withLimits(layersOf(c, parts), parts, byKernel);
  c.builder.hosts = parts.flatMap(({ hosts }) => hosts ?? []);
  if (parts.length === 1) {
    walkPart(c, policy, out, { kind: "program", splits: true, label: -1, ends: [], check: stepCheck(c) });
    return { body: out };
  }
  // The extending policy comes first: of two equally strict verdicts, its own wins.
  const verdicts: VerdictExpression[] = [];
  for (const part of parts.slice(0, -1)) {
    const verdict = lowerPart(c, part, out);
    if (verdict !== undefined) verdicts.unshift(verdict);
  }
  const base: Statement[] = [...out, { kind: "return", verdict: { kind: "strictest", of: [...verdicts] } }];
  const statementsOfBase = out.length;
  const namedByBase = c.findings.namedCalls.length;
  const verdict = lowerPart(c, policy, out);
  const own = out.slice(statementsOfBase);
  if (verdict !== undefined) {
    verdicts.unshift(verdict);
    own.push({ kind: "return", verdict });
  }
  c.flow = { live: "live", variables: new Map(), facts: noFacts };
  c.out = out;
  c.file = policy.file;
  c.emitReturn({ kind: "strictest", of: verdicts }, policy.at);
  const named = c.findings.namedCalls.slice(namedByBase);
  return verdict === undefined ? { body: out } : { body: out, extension: { own, base, named } };
}

function lowerPart(c: Compilation, part: PolicyValue, out: Statement[]): VerdictExpression | undefined {
  const target: ReturnTarget = {
    kind: "block",
    splits: true,
    label: c.builder.label(),
    ends: [],
    check: stepCheck(c),
  };
  let verdict: VerdictExpression | undefined;
  c.out = out;
  c.flow = { live: "live", variables: new Map(), facts: noFacts };
  c.block(
    target.label,
    () => {
      walkStep(c, part, target);
      const living = target.ends.filter((end) => end.flow.live === "live");
      if (living.length === 0) return;
      const value = c.mergeValues(
        living,
        living.map((end) => end.value),
        { file: part.file, node: part.at },
      );
      if (value.is === "verdict") verdict = value.expression;
    },
    () => target.ends,
  );
  // A later part may change the state that this verdict depends on.
  if (verdict !== undefined && verdict.kind !== "verdict" && verdict.kind !== "verdict-local") {
    const saved = stable(c, { is: "verdict", expression: verdict });
    if (saved.is === "verdict") verdict = saved.expression;
  }
  return verdict;
}

function walkPart(c: Compilation, part: PolicyValue, out: Statement[], target: ReturnTarget): void {
  c.out = out;
  c.flow = { live: "live", variables: new Map(), facts: noFacts };
  walkStep(c, part, target);
}

function walkStep(c: Compilation, part: PolicyValue, target: ReturnTarget): void {
  if (part.body.is === "profile") {
    lowerImported(c, part.body.part, target, part.at);
    return;
  }
  const call: CallValue = { is: "call", names: c.names.all, reference: ++c.references };
  c.file = part.file;
  c.walker.apply(part.body.step, [{ value: call, node: part.at }], part.at, { contextual: true, tail: target });
}

const examples: Readonly<Record<string, string>> = {
  ask: 'ask("why")',
  deny: 'deny("EPERM")',
  kill: 'kill("process")',
  trap: "trap()",
};

/** The verdict that a function without its call, or a string, stands for. */
function meantVerdict(value: Value): string | undefined {
  if (value.is === "builtin") return `call it: \`${examples[value.name] ?? `${value.name}(…)`}\``;
  const word = constantString(value)?.toLowerCase();
  if (word === undefined) return undefined;
  if (word === "allow" || word === "log") return `write \`${word}\` without quotes`;
  return Object.hasOwn(examples, word) ? `write \`${examples[word]}\`` : undefined;
}

function stepCheck(c: Compilation): ReturnTarget["check"] {
  return (value, node): Value => {
    if (value.is === "verdict" || value.is === "unknown") return value;
    return c.error(
      "P0207",
      node,
      `a step returns a verdict, not ${describe(value)}`,
      meantVerdict(value) ?? 'return allow, deny("EPERM", "why"), kill("process") …',
    );
  };
}

/**
 * Walks functions without a caller once, with arguments of their declared types and as unreachable code: errors in
 * names and types are reported, and nothing is emitted.
 */
export function checkUncalled(c: Compilation, argumentOf: (fn: FunctionValue, index: number) => Value): void {
  const call = (): Value => ({ is: "call", names: c.names.all, reference: ++c.references });
  for (const step of c.findings.policySteps) {
    if (!c.findings.applied.has(step.node)) walkUncalled(c, step, "step", [call()], true);
  }
  for (const [node, fn] of c.findings.functions) {
    if (c.findings.applied.has(node) || c.findings.contextual.has(node)) continue;
    const time = fn.time === "step" || !makesPolicy(fn) ? "step" : "constant";
    walkUncalled(
      c,
      fn,
      time,
      fn.node.params.map((_, index) => argumentOf(fn, index)),
      false,
    );
  }
}

function walkUncalled(
  c: Compilation,
  fn: FunctionValue,
  time: "constant" | "step",
  values: readonly Value[],
  contextual: boolean,
): void {
  c.time = time;
  c.flow = { live: "folded", variables: new Map(), facts: noFacts };
  c.out = [];
  c.file = fn.file;
  c.walker.apply(
    fn,
    values.map((value, index) => ({ value, node: fn.node.params[index] ?? fn.node })),
    fn.node,
    { contextual },
  );
}

/** It returns a policy, so it runs at compile time. */
function makesPolicy(fn: FunctionValue): boolean {
  const type = fn.node.returnType?.typeAnnotation;
  return type?.type === "TSTypeReference" && type.typeName.type === "Identifier" && type.typeName.name === "Policy";
}
