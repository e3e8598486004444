/** The continuations of a path after a choice. */
import type { GraphNode } from "./graph.ts";
import type { Formula, Term, VerdictTerm } from "./terms.ts";

export type Continuation =
  | { readonly kind: "node"; readonly node: GraphNode }
  /** The arms of a switch from this one on; the earlier ones do not match. */
  | { readonly kind: "arms"; readonly node: GraphNode; readonly value: Term; readonly arm: number }
  /** An evaluated condition, and the targets of its outcomes. */
  | {
      readonly kind: "choice";
      readonly formula: Formula;
      readonly then: Continuation;
      readonly otherwise: Continuation;
    }
  | { readonly kind: "verdict"; readonly verdict: VerdictTerm };

export function choice(formula: Formula, then: Continuation, otherwise: Continuation): Continuation {
  if (formula.shape.kind === "boolean") return formula.shape.value ? then : otherwise;
  return { kind: "choice", formula, then, otherwise };
}

export function positionOf(at: Continuation): number {
  if (at.kind === "choice") return Math.min(positionOf(at.then), positionOf(at.otherwise));
  return at.kind === "verdict" ? Number.POSITIVE_INFINITY : at.node.position;
}

export function name(at: Continuation): string {
  if (at.kind === "verdict") return `v${at.verdict.id}`;
  if (at.kind === "choice") return `(${at.formula.id}?${name(at.then)}:${name(at.otherwise)})`;
  return at.kind === "arms" ? `${at.node.position}.${at.arm}.${at.value.id}` : `${at.node.position}`;
}

export function retainedFor(formula: Formula, then: Continuation, otherwise: Continuation): readonly Term[] {
  const retained = [...formula.leaves];
  for (const at of [then, otherwise]) {
    if (at.kind === "verdict") retained.push(...at.verdict.leaves);
    else if (at.kind === "arms") retained.push(...at.value.leaves);
    else if (at.kind === "choice") retained.push(...retainedFor(at.formula, at.then, at.otherwise));
  }
  return retained;
}
