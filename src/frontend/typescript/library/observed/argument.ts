/** One pointer argument whose memory a policy asks about, on the way to the values of the language. */

import type { CallDescription } from "../../../../abi/call.ts";
import { numberOf, registerOf } from "../../../../abi/calls.ts";
import { pointeeOf } from "../../../../abi/pointees.ts";
import type { AddressPart, ResolvedObject, Shape, Source, TextPart } from "../../../../ir/observation.ts";
import type { BooleanExpression, IntegerExpression } from "../../../../ir/program.ts";
import * as ir from "../../../program/ir.ts";
import type { PlacedPattern, WordBit } from "../../../program/observations.ts";
import type { Range as SourceRange } from "../../../source/file.ts";
import { type IntegerValue, integer } from "../../values/values.ts";
import type { Compilation } from "../../walk/compilation.ts";

/** Makes expressions of the words of one observation. It is declared in the program when the first of them is made. */
export class ObservedArgument {
  readonly name: string;
  /** The calls that can pass it here. */
  readonly calls: readonly string[];
  readonly #c: Compilation;
  readonly #shape: Shape;
  readonly #sources: readonly Source[];
  /** The place in the policy that names the argument. */
  readonly node: SourceRange;

  constructor(
    c: Compilation,
    parts: {
      readonly name: string;
      readonly shape: Shape;
      readonly calls: readonly CallDescription[];
      readonly node: SourceRange;
    },
  ) {
    const { architecture } = c.names;
    const register = (call: CallDescription, name: string): number =>
      registerOf(
        call,
        call.parameters.findIndex((parameter) => parameter.name === name),
        architecture,
      );
    this.name = parts.name;
    this.calls = parts.calls.map((call) => call.name);
    this.#c = c;
    this.#shape = parts.shape;
    this.node = parts.node;
    this.#sources = parts.calls.flatMap((call): Source[] => {
      const number = numberOf(call.name, architecture);
      if (number === undefined) return [];
      const pointee = pointeeOf(call.name, parts.name);
      const length = pointee !== undefined && "length" in pointee ? pointee.length : undefined;
      return [
        {
          number,
          register: register(call, parts.name),
          length: length === undefined ? undefined : register(call, length),
        },
      ];
    });
  }

  get #observation(): number {
    const { builder, file } = this.#c;
    return builder.observations.observe(this.name, this.#shape, this.#sources, file.location(this.node));
  }

  /** At a place that no call reaches, nothing is read. */
  get #isReached(): boolean {
    return this.#c.flow.live === "live" && this.#sources.length > 0;
  }

  /** Does the text match one of the patterns? `part` is undefined for "any entry of the list". */
  matches(part: TextPart | undefined, patterns: readonly PlacedPattern[]): BooleanExpression {
    if (!this.#isReached) return ir.never;
    const { observations } = this.#c.builder;
    return anyBit(patterns.map((pattern) => observations.pattern(this.#observation, part, pattern)));
  }

  resolved(objects: readonly ResolvedObject[]): BooleanExpression {
    if (!this.#isReached) return ir.never;
    const { observations } = this.#c.builder;
    return anyBit(objects.map((object) => observations.object(this.#observation, object)));
  }

  length(described: string): IntegerValue {
    const reads = { is: "length" } as const;
    return integer(this.#word(reads), { from: 0n, to: 0xffff_ffffn }, described);
  }

  field(offset: number, bytes: 4 | 8): IntegerExpression {
    return this.#word({ is: "field", offset, bytes });
  }

  address(part: AddressPart): IntegerExpression {
    return this.#word({ is: "address", part });
  }

  controlLength(): IntegerExpression {
    return this.#word({ is: "control-length" });
  }

  #word(reads: Parameters<Compilation["builder"]["observations"]["word"]>[1]): IntegerExpression {
    if (!this.#isReached) return ir.constant(0n);
    return { kind: "observed", word: this.#c.builder.observations.word(this.#observation, reads) };
  }
}

/** Is one of the bits set? */
function anyBit(bits: readonly WordBit[]): BooleanExpression {
  const masks = new Map<number, bigint>();
  for (const { word, bit } of bits) masks.set(word, (masks.get(word) ?? 0n) | bit);
  return ir.any(
    [...masks].map(([word, mask]) =>
      ir.compare("not-equal", ir.masked({ kind: "observed", word }, mask), ir.constant(0n)),
    ),
  );
}
