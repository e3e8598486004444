/** The policy's parameters: constants that the command line gives (`--set name=value`). */
import { nearestName } from "../../../diagnostics/suggest.ts";
import type { Setting } from "../../../ir/settings.ts";
import type { Place, Reporter } from "../../source/reporter.ts";

/** The functions of `parameter`. A list is given as items between commas. */
export const parameterKinds = ["path", "paths", "text", "texts", "integer", "flag"] as const;
export type ParameterKind = (typeof parameterKinds)[number];

export interface DeclaredParameter {
  readonly name: string;
  readonly kind: ParameterKind;
  /** In the form of `--set`; undefined if a value must be given. */
  readonly default: string | undefined;
  /** The value in this compilation, in the form of `--set`. */
  readonly value: string | undefined;
  /** It stays open until the policy is started, and has no value before. */
  readonly open: boolean;
}

/** The parameters that stay open. */
export interface OpenParameters {
  includes(name: string): boolean;
  /** A parameter that is neither given nor open gets an arbitrary value, to find the policy's other errors. */
  readonly assumed: boolean;
}

export class Parameters {
  readonly declared: DeclaredParameter[] = [];
  private readonly largest = new Map<string, bigint>();
  private readonly given: ReadonlyMap<string, string>;
  private readonly open: OpenParameters | undefined;

  constructor(given: ReadonlyMap<string, string>, open?: OpenParameters) {
    this.given = given;
    this.open = open;
  }

  /** Whether an integer or a flag has no value before the start. */
  staysOpen(name: string): boolean {
    return this.open !== undefined && !this.given.has(name) && this.open.includes(name);
  }

  /** Declares an open parameter. */
  leaveOpen(name: string, kind: DeclaredParameter["kind"], fallback: string | undefined): void {
    if (this.declared.some((one) => one.name === name)) return;
    this.declared.push({ name, kind, default: fallback, value: undefined, open: true });
  }

  /** The given value of a parameter; undefined if its default applies. `some` is one of its values. */
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

  /** The largest value of an integer. */
  bound(name: string, most: bigint): void {
    this.largest.set(name, most);
  }

  /** Those with a value. */
  get settings(): readonly Setting[] {
    return this.declared.flatMap(({ name, kind, value, default: fallback }) => {
      if (value === undefined) return [];
      const most = this.largest.get(name);
      return [
        {
          ...{ name, kind, value },
          ...(fallback === "" && (kind === "paths" || kind === "texts") ? { mayBeEmpty: true as const } : {}),
          ...(most === undefined ? {} : { most: most.toString() }),
        },
      ];
    });
  }

  /** Reports values that were given for undeclared parameters. */
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
            : "it has no parameters: leave out --set",
      );
    }
  }
}
