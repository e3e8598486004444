/**
 * The filter as a directed acyclic graph, before layout. Nodes are hash-consed, so calls share equal parts. A test with
 * equal successors is not created.
 */

export type GraphNode = ReturnNode | LoadNode | AndNode | TestNode;

export interface ReturnNode {
  readonly kind: "return";
  readonly id: number;
  readonly word: number;
}

export interface LoadNode {
  readonly kind: "load";
  readonly id: number;
  readonly offset: number;
  readonly next: GraphNode;
}

export interface AndNode {
  readonly kind: "and";
  readonly id: number;
  readonly mask: number;
  readonly next: GraphNode;
}

export type TestOperator = "equal" | "at-least" | "any-bit";

export interface TestNode {
  readonly kind: "test";
  readonly id: number;
  readonly operator: TestOperator;
  readonly value: number;
  /**
   * The value is a word of the launcher's token, which changes with each launch, so it is never merged with another
   * test.
   */
  readonly token: boolean;
  readonly then: GraphNode;
  readonly otherwise: GraphNode;
}

export class Graph {
  readonly #nodes = new Map<string, GraphNode>();
  #count = 0;

  return(word: number): GraphNode {
    return this.#node(`return ${word}`, (id) => ({ kind: "return", id, word }));
  }

  load(offset: number, next: GraphNode): GraphNode {
    // A load is dropped if all its successors ignore it.
    if (next.kind === "return" || next.kind === "load") return next;
    return this.#node(`load ${offset} ${next.id}`, (id) => ({ kind: "load", id, offset, next }));
  }

  and(mask: number, next: GraphNode): GraphNode {
    if (next.kind === "return" || next.kind === "load") return next;
    return this.#node(`and ${mask} ${next.id}`, (id) => ({ kind: "and", id, mask, next }));
  }

  test(operator: TestOperator, value: number, then: GraphNode, otherwise: GraphNode): GraphNode {
    if (then === otherwise) return then;
    const key = `${operator} ${value} ${then.id} ${otherwise.id}`;
    return this.#node(key, (id) => ({ kind: "test", id, operator, value, token: false, then, otherwise }));
  }

  tokenTest(value: number, then: GraphNode, otherwise: GraphNode): GraphNode {
    return { kind: "test", id: this.#count++, operator: "equal", value, token: true, then, otherwise };
  }

  #node(key: string, make: (id: number) => GraphNode): GraphNode {
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const node = make(this.#count++);
    this.#nodes.set(key, node);
    return node;
  }
}

/** The number of different nodes from here on, and of the longest path. Without recursion: graphs may be deep. */
export function measureGraph(root: GraphNode): { readonly size: number; readonly longestPath: number } {
  const longest = new Map<GraphNode, number>();
  const path = [root];
  while (path.length > 0) {
    const node = path.at(-1)!;
    const next = successors(node);
    const missing = next.find((one) => !longest.has(one));
    if (missing !== undefined) {
      path.push(missing);
      continue;
    }
    path.pop();
    longest.set(node, 1 + Math.max(0, ...next.map((one) => longest.get(one)!)));
  }
  return { size: longest.size, longestPath: longest.get(root)! };
}

function successors(node: GraphNode): readonly GraphNode[] {
  switch (node.kind) {
    case "return":
      return [];
    case "load":
    case "and":
      return [node.next];
    case "test":
      return [node.then, node.otherwise];
    default:
      return node satisfies never;
  }
}
