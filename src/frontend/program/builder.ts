/** Collects the parts of a program: verdicts, state, reports, locals. */

import type { HostRules } from "../../ir/hosts.ts";
import { maximumDeclarations, maximumDepth, maximumNodes, maximumScopeBytes, tableBytes } from "../../ir/limits.ts";
import type { Location } from "../../ir/location.ts";
import type { ObjectLayer } from "../../ir/objects.ts";
import type {
  Cell,
  Parameter,
  Report,
  Room,
  Scope,
  Statement,
  Table,
  ValueType,
  VerdictExpression,
} from "../../ir/program.ts";
import { expressionsOf } from "../../ir/traverse.ts";
import type { Action, Verdict } from "../../ir/verdicts.ts";
import * as ir from "./ir.ts";
import { Observations } from "./observations.ts";

/** Leaves room for the statements that are added around the policy's own (clone3 rule, combination). */
const mostNodes = Math.min(200_000, maximumNodes - 10_000);
const mostDeclarations = maximumDeclarations - 16;
const deepestProgram = maximumDepth - 40;

/** The index of `log` before its first use: a verdict gets an entry where its name is used. */
export const unplacedLog = -1;
const plainLog: Verdict = { action: "log", errno: 0, reason: undefined, at: undefined };

export class ProgramBuilder {
  readonly verdicts: Verdict[] = [{ action: "allow", errno: 0, reason: undefined, at: undefined }];
  readonly cells: Cell[] = [];
  readonly tables: Table[] = [];
  readonly rooms: Room[] = [];
  readonly observations = new Observations();
  readonly reports: Report[] = [];
  readonly parameters: Parameter[] = [];
  readonly locals: ValueType[] = [];
  readOnlyProc = false;
  objects: readonly ObjectLayer[] = [];
  hosts: readonly HostRules[] = [];
  private readonly verdictIndexes = new Map<string, number>();
  private readonly reportIndexes = new Map<string, number>();
  private readonly names = new Map<string, number>();
  private readonly used: { [S in Scope]: number } = { thread: 0, process: 0, tree: 0 };
  private nodes = 0;
  private deepest = 0;
  private labels = 0;

  get tooLarge(): boolean {
    return (
      this.nodes > mostNodes ||
      Math.max(this.verdicts.length, this.reports.length, this.locals.length) > mostDeclarations
    );
  }

  get tooDeep(): boolean {
    return this.deepest > deepestProgram;
  }

  /** The verdict of an index, including the unplaced `log`. */
  meaning(index: number): Verdict {
    return index === unplacedLog ? plainLog : this.verdicts[index]!;
  }

  /** One entry for each place: a `deny(…)` that is inlined twice has one. */
  verdict(action: Action, errno: number, reason: string | undefined, at: Location | undefined): VerdictExpression {
    const key = `${action}:${errno}:${at?.file}:${at?.line}:${at?.column}:${reason ?? ""}`;
    let index = this.verdictIndexes.get(key);
    if (index === undefined) {
      index = this.verdicts.length;
      this.verdicts.push({ action, errno, reason, at });
      this.verdictIndexes.set(key, index);
    }
    return { kind: "verdict", verdict: index };
  }

  report(text: string, values: Report["values"], at: Location): number {
    const key = `${at.file}:${at.line}:${at.column}:${JSON.stringify([text, values])}`;
    let index = this.reportIndexes.get(key);
    if (index === undefined) {
      index = this.reports.length;
      this.reports.push({ text, values, at });
      this.reportIndexes.set(key, index);
    }
    return index;
  }

  /** One entry for each name; undefined if the name has a different declaration already. */
  parameter(parameter: Parameter): number | undefined {
    const index = this.parameters.findIndex(({ name }) => name === parameter.name);
    if (index < 0) return this.parameters.push(parameter) - 1;
    const { kind, from, to, default: fallback } = this.parameters[index]!;
    const isSame =
      kind === parameter.kind && from === parameter.from && to === parameter.to && fallback === parameter.default;
    return isSame ? index : undefined;
  }

  cell(cell: Cell): number {
    this.used[cell.scope] += 8;
    this.cells.push({ ...cell, name: this.uniqueName(cell.name) });
    return this.cells.length - 1;
  }

  table(table: Table): number {
    this.used[table.scope] += tableBytes(table);
    this.tables.push({ ...table, name: this.uniqueName(table.name) });
    return this.tables.length - 1;
  }

  room(room: Room): number {
    return this.rooms.push({ ...room, name: this.uniqueName(room.name) }) - 1;
  }

  /** Bytes of state in a scope, as in `limits.ts`. */
  bytes(scope: Scope): number {
    return this.used[scope];
  }

  exceeds(scope: Scope): boolean {
    return this.bytes(scope) > maximumScopeBytes[scope];
  }

  local(type: ValueType): number {
    this.locals.push(type);
    return this.locals.length - 1;
  }

  label(): number {
    return this.labels++;
  }

  /** Counts a statement at a depth of `nesting`; its inner statements are counted separately. */
  count(statement: Statement, nesting = 0): void {
    let size = 1;
    let depth = 1;
    const expressions = expressionsOf(statement);
    for (let at = 0; at < expressions.length; at++) {
      const measured = ir.measure(expressions[at]!);
      size += measured.size;
      depth = Math.max(depth, measured.depth + 1);
    }
    this.nodes += size + (statement.kind === "switch" ? statement.arms.length : 0);
    this.deepest = Math.max(this.deepest, nesting + depth);
  }

  /** Each use of a policy function has its own state "births": the second is "births#2". */
  private uniqueName(name: string): string {
    const count = (this.names.get(name) ?? 0) + 1;
    this.names.set(name, count);
    return count === 1 ? name : `${name}#${count}`;
  }
}
