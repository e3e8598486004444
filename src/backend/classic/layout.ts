/**
 * Layout: assigns positions to the nodes of the graph. Jumps go forward and, if conditional, skip at most 255 instructions,
 * so the filter is written from its end: a node's successors have positions before it gets one.
 *
 * A node out of a jump's reach gets a second copy nearby: a return is repeated, which costs no step; any other node is
 * reached by an unconditional jump. The smaller side of a test is placed next to it and the larger after that, so this is
 * rare.
 */
import type { GraphNode, TestNode } from "./graph.ts";
import { type ClassicInstruction, maximumInstructions, maximumJump, opcode } from "./instruction.ts";

export interface Layout {
  readonly instructions: readonly ClassicInstruction[];
  /** The indexes of the tests of the launcher's token, in execution order. */
  readonly tokenPositions: readonly number[];
}

/** The policy is too large for a seccomp filter. */
export class FilterTooLargeError extends Error {
  /** The number of instructions that the filter would have. */
  readonly instructions: number;

  constructor(instructions: number) {
    super(
      `the classic filter needs ${instructions} instructions and the kernel takes at most ${maximumInstructions}: ` +
        "fewer intervals of argument values, or fewer calls with different conditions, make it smaller",
    );
    this.name = "FilterTooLargeError";
    this.instructions = instructions;
  }
}

/** Throws a FilterTooLargeError for more than 4096 instructions. */
export function layOut(root: GraphNode): Layout {
  const writer = new Writer(measure(root));
  writer.place(root);
  return writer.finish();
}

const testOpcode = {
  equal: opcode.jumpEqual,
  "at-least": opcode.jumpAtLeast,
  "any-bit": opcode.jumpAnyBit,
} as const;

class Writer {
  /** From the last instruction to the first. */
  readonly #reversed: ClassicInstruction[] = [];
  /** By node id: the index in `#reversed` of the copy written last, which is the nearest to the next instruction. */
  readonly #places = new Map<number, number>();
  readonly #sizes: ReadonlyMap<number, number>;
  readonly #tokens: number[] = [];

  constructor(sizes: ReadonlyMap<number, number>) {
    this.#sizes = sizes;
  }

  finish(): Layout {
    const count = this.#reversed.length;
    if (count > maximumInstructions) throw new FilterTooLargeError(count);
    return {
      instructions: this.#reversed.toReversed(),
      tokenPositions: this.#tokens.map((place) => count - 1 - place).sort((a, b) => a - b),
    };
  }

  /** Writes this node and all its descendants without a position. Iterative, because graphs may be thousands deep. */
  place(root: GraphNode): void {
    const path: GraphNode[] = [root];
    while (path.length > 0) {
      const node = path.at(-1)!;
      const missing = this.#successors(node).find((successor) => !this.#places.has(successor.id));
      if (missing !== undefined) path.push(missing);
      else {
        path.pop();
        this.#placeAlone(node);
      }
    }
  }

  /** In writing order: the nearest last. */
  #successors(node: GraphNode): readonly GraphNode[] {
    if (node.kind === "return") return [];
    if (node.kind !== "test") return [node.next];
    const thenIsLarger = this.#sizes.get(node.then.id)! > this.#sizes.get(node.otherwise.id)!;
    return thenIsLarger ? [node.then, node.otherwise] : [node.otherwise, node.then];
  }

  /** Writes a node whose successors have positions. */
  #placeAlone(node: GraphNode): void {
    switch (node.kind) {
      case "return":
        this.#write(node, { code: opcode.return, jt: 0, jf: 0, k: node.word });
        return;
      case "load":
        this.#bringNext(node.next);
        this.#write(node, { code: opcode.load, jt: 0, jf: 0, k: node.offset });
        return;
      case "and":
        this.#bringNext(node.next);
        this.#write(node, { code: opcode.and, jt: 0, jf: 0, k: node.mask });
        return;
      case "test":
        // Moving one successor near pushes the other one an instruction further away.
        while (!this.#reaches(node)) {
          if (this.#distance(node.then) > maximumJump) this.#bringNear(node.then);
          if (this.#distance(node.otherwise) > maximumJump) this.#bringNear(node.otherwise);
        }
        this.#writeTest(node);
        break;
      default:
        node satisfies never;
    }
  }

  #write(node: GraphNode, instruction: ClassicInstruction): void {
    this.#places.set(node.id, this.#reversed.length);
    this.#reversed.push(instruction);
  }

  #writeTest(node: TestNode): void {
    if (node.token) this.#tokens.push(this.#reversed.length);
    const jt = this.#distance(node.then);
    const jf = this.#distance(node.otherwise);
    this.#write(node, { code: testOpcode[node.operator], jt, jf, k: node.value });
  }

  /** The number of instructions between the next one to be written and this node. */
  #distance(node: GraphNode): number {
    return this.#reversed.length - 1 - this.#places.get(node.id)!;
  }

  #reaches(node: TestNode): boolean {
    return this.#distance(node.then) <= maximumJump && this.#distance(node.otherwise) <= maximumJump;
  }

  #bringNear(node: GraphNode): void {
    if (node.kind === "return") this.#write(node, { code: opcode.return, jt: 0, jf: 0, k: node.word });
    else this.#write(node, { code: opcode.jumpAlways, jt: 0, jf: 0, k: this.#distance(node) });
  }

  /** A load has no jump, so its successor must follow it. A copy of a test is as short as a jump to it, and faster. */
  #bringNext(node: GraphNode): void {
    if (this.#distance(node) === 0) return;
    if (node.kind === "test" && !node.token && this.#reaches(node)) this.#writeTest(node);
    else this.#bringNear(node);
  }
}

/** By node id: the number of reachable nodes, counted once for each path; capped. */
function measure(root: GraphNode): ReadonlyMap<number, number> {
  const reached = new Map<number, GraphNode>([[root.id, root]]);
  const pending: GraphNode[] = [root];
  while (pending.length > 0) {
    const node = pending.pop()!;
    for (const successor of successorsOf(node)) {
      if (reached.has(successor.id)) continue;
      reached.set(successor.id, successor);
      pending.push(successor);
    }
  }
  // Successors are created before a node and have smaller ids.
  const sizes = new Map<number, number>();
  for (const node of [...reached.values()].sort((a, b) => a.id - b.id)) {
    const behind = successorsOf(node).reduce((sum, successor) => sum + sizes.get(successor.id)!, 0);
    sizes.set(node.id, Math.min(1 + behind, 1e9));
  }
  return sizes;
}

function successorsOf(node: GraphNode): readonly GraphNode[] {
  return node.kind === "return" ? [] : node.kind === "test" ? [node.then, node.otherwise] : [node.next];
}
