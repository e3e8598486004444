/** The policy's parameters: constants that the command line gives (`--set name=value`). */
import { nearestName } from "../../diagnostics/suggest.ts";
import type { Place, Reporter } from "./reporter.ts";

export interface DeclaredParameter {
  readonly name: string;
  readonly kind: "path" | "text" | "integer" | "flag";
  /** As `--set` takes it; undefined where it must be given. */
  readonly default: string | undefined;
  /** What it is in this compilation, as `--set` takes it. */
  readonly value: string | undefined;
  /** It stays open until the policy is started, and has no value before. */
  readonly open: boolean;
}

/** Which parameters stay open. */
export interface OpenParameters {
  includes(name: string): boolean;
  /** What is neither given nor open has some value: to find out what else there is to say. */
  readonly assumed: boolean;
}

export class Parameters {
  readonly declared: DeclaredParameter[] = [];
  private readonly given: ReadonlyMap<string, string>;
  private readonly open: OpenParameters | undefined;

  constructor(given: ReadonlyMap<string, string>, open?: OpenParameters) {
    this.given = given;
    this.open = open;
  }

  /** Whether it has no value before the policy is started. Of integers and flags. */
  staysOpen(name: string): boolean {
    return this.open !== undefined && !this.given.has(name) && this.open.includes(name);
  }

  /** Declares one that stays open. */
  leaveOpen(name: string, kind: DeclaredParameter["kind"], fallback: string | undefined): void {
    if (this.declared.some((one) => one.name === name)) return;
    this.declared.push({ name, kind, default: fallback, value: undefined, open: true });
  }

  /**
   * The text that was given for a parameter, or undefined: then its default holds. `some` is a value that it can have.
   */
  take(
    name: string,
    kind: DeclaredParameter["kind"],
    fallback: string | undefined,
    some: string | undefined,
  ): string | undefined {
    const assumed = this.open?.assumed === true && fallback === undefined ? some : undefined;
    const given = this.given.get(name) ?? assumed;
    if (!this.declared.some((one) => one.name === name)) {
      this.declared.push({ name, kind, default: fallback, value: given ?? fallback, open: false });
    }
    return given;
  }

  /** What was given for a parameter that no line of the policy asks for is a mistake, not a wish. */
  reportUnused(reporter: Reporter, place: Place | undefined): void {
    const known = this.declared.map((one) => one.name);
    for (const name of this.given.keys()) {
      if (known.includes(name)) continue;
      const near = nearestName(name, known);
      reporter.report(
        "P0112",
        `the policy has no parameter "${name}"`,
        place === undefined ? undefined : { file: place.file, node: { start: 0, end: 0 } },
        near !== undefined
          ? `--set ${near}=…`
          : known.length > 0
            ? `it has ${known.join(", ")}`
            : "it has none: leave out --set",
      );
    }
  }
}
