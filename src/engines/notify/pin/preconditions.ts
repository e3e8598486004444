/**
 * Calls with which a process of the tree ends a precondition of results that are given without a pin (native/addon/pin/answers.c,
 * results.c). None of their effects can be seen from outside, and later children inherit them.
 */
import type { ArchitectureName } from "../../../abi/architecture.ts";
import { callNumber } from "../../../abi/call-numbers.ts";
import { numberOf } from "../../../abi/calls.ts";
import { type ArgumentTest, meetsTests } from "../policy/tested-calls.ts";
import type { Pinning } from "./pinning.ts";
import { protectingCalls } from "./protecting-calls.ts";
import { mayStallBy } from "./stalling.ts";

export class Preconditions {
  readonly #pinning: Pick<Pinning, "restricts" | "protectsMemory">;
  readonly #objects: { openApart(): void } | undefined;
  readonly #architecture: ArchitectureName;
  readonly #restricts: number;
  readonly #listens: number | undefined;
  readonly #protecting: ReadonlyMap<number, readonly (readonly ArgumentTest[])[]>;

  constructor(
    pinning: Pick<Pinning, "restricts" | "protectsMemory">,
    architecture: ArchitectureName,
    objects?: { openApart(): void },
  ) {
    this.#pinning = pinning;
    this.#objects = objects;
    this.#architecture = architecture;
    this.#restricts = callNumber("landlock_restrict_self", architecture);
    this.#listens = numberOf("fanotify_init", architecture);
    this.#protecting = new Map(protectingCalls(architecture));
  }

  /** The call may be about to pass. */
  meets(number: number, argumentOf: (index: number) => bigint): void {
    const decidesAboutOpens = number === this.#listens && mayStallBy(this.#architecture, number, argumentOf);
    if (number === this.#restricts || decidesAboutOpens) this.#pinning.restricts();
    if (decidesAboutOpens) this.#objects?.openApart();
    if (meetsTests(this.#protecting.get(number), argumentOf)) this.#pinning.protectsMemory();
  }
}
