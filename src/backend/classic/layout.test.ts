import { describe, expect, it } from "vitest";
import { Graph, type GraphNode } from "./graph.ts";
import { checkClassic, runClassic } from "./interpreter.ts";
import { FilterTooLargeError, layOut } from "./layout.ts";

/** Numbers from 0 to `below` − 1, the same for the same seed. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >>> 8) % below;
  };
}

/** The graph's result for an input of six registers, which the layout must preserve. */
function evaluate(root: GraphNode, registers: readonly bigint[]): number {
  let node = root;
  let accumulator = 0;
  for (;;) {
    switch (node.kind) {
      case "return":
        return node.word;
      case "load": {
        const register = registers[(node.offset - 16) >> 3]!;
        accumulator = Number(BigInt.asUintN(32, node.offset % 8 === 0 ? register : register >> 32n));
        node = node.next;
        break;
      }
      case "and":
        accumulator = (accumulator & node.mask) >>> 0;
        node = node.next;
        break;
      case "test": {
        const { operator, value } = node;
        const holds =
          operator === "equal"
            ? accumulator === value
            : operator === "at-least"
              ? accumulator >= value
              : (accumulator & value) !== 0;
        node = holds ? node.then : node.otherwise;
      }
    }
  }
}

/** A wide graph: tests that lead anywhere, and loads and masks whose successors others reach as well. */
function randomGraph(seed: number, size: number): GraphNode {
  const below = randomNumbers(seed);
  const graph = new Graph();
  const nodes: GraphNode[] = [1, 2, 3].map((word) => graph.return(word));
  // Mostly recent nodes, for depth; sometimes any, for far jumps.
  const some = () =>
    nodes[below(4) === 0 ? below(nodes.length) : nodes.length - 1 - below(Math.min(12, nodes.length))]!;
  while (nodes.length < size) {
    const kind = below(10);
    if (kind < 6) {
      const operator = (["equal", "at-least", "any-bit"] as const)[below(3)]!;
      nodes.push(graph.test(operator, 1 + below(7), some(), some()));
    } else if (kind < 9) nodes.push(graph.load(16 + 4 * below(12), some()));
    else nodes.push(graph.and(1 + below(7), some()));
  }
  // A chain of tests from the root makes every node reachable.
  return nodes.slice(-40).reduce((rest, node, index) => graph.load(16, graph.test("equal", 100 + index, node, rest)));
}

describe("layOut", () => {
  it.each(Array.from({ length: 30 }, (_, index) => index + 1))(
    "preserves the semantics of a large graph (seed %i)",
    (seed) => {
      const root = randomGraph(seed, 150 + 60 * seed);
      const { instructions } = layOut(root);
      checkClassic(instructions);
      const below = randomNumbers(seed + 1000);
      for (let run = 0; run < 600; run++) {
        const registers = Array.from({ length: 6 }, () => BigInt(below(9)) | (BigInt(below(9)) << 32n));
        if (run % 3 > 0) registers[0] = BigInt(100 + below(40));
        const input = { number: 0, architecture: 0, instructionPointer: 0n, arguments: registers };
        expect(runClassic(instructions, input).word, `run ${run}`).toBe(evaluate(root, registers));
      }
    },
  );

  it("refuses a filter that is too large for the kernel, and reports its size", () => {
    const graph = new Graph();
    let root = graph.return(1);
    for (let index = 0; index < 5000; index++) root = graph.load(16, graph.test("equal", index, graph.return(2), root));
    expect(() => layOut(root)).toThrow(FilterTooLargeError);
    expect(() => layOut(root)).toThrow(/needs 10\d{3} instructions/);
  });

  it("repeats a return that is out of reach, and adds no unnecessary jumps", () => {
    const graph = new Graph();
    let root: GraphNode = graph.return(1);
    for (let index = 0; index < 300; index++) root = graph.test("equal", index, graph.return(2), root);
    const { instructions } = layOut(graph.load(16, root));
    expect(instructions).toHaveLength(1 + 300 + 3);
    expect(instructions.filter(({ code }) => code === 0x05)).toEqual([]);
  });

  it("gives the token's tests in their order, once each", () => {
    const graph = new Graph();
    const fail = graph.return(1);
    let node = graph.return(2);
    for (const value of [4, 3, 2, 1]) node = graph.load(48, graph.tokenTest(value, node, fail));
    const { instructions, tokenPositions } = layOut(node);
    expect(tokenPositions.map((position) => instructions[position]!.k)).toEqual([1, 2, 3, 4]);
  });
});
