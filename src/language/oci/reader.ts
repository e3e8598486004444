/**
 * From JSON nodes to plain values, with a diagnostic for each that is of another shape. Reading goes on behind a fault, so
 * that all faults of a profile are told at once.
 */
import { catalogue, type DiagnosticCode, diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic, Severity } from "../../diagnostics/diagnostic.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import type { Range, SourceFile } from "../source/file.ts";
import type { JsonMember, JsonNode } from "./json.ts";

/** More than this, nobody reads. */
const mostDiagnostics = 200;

export class OciReader {
  readonly file: SourceFile;
  readonly diagnostics: Diagnostic[] = [];
  private readonly untold = new Set<Severity>();

  constructor(file: SourceFile) {
    this.file = file;
  }

  report(
    code: DiagnosticCode,
    at: Range,
    message: string,
    help?: string,
    related?: { at: Range; message: string },
  ): void {
    if (this.isFull) {
      this.reportMore(code, at);
      return;
    }
    const second = related === undefined ? undefined : { span: this.file.span(related.at), message: related.message };
    this.diagnostics.push(diagnostic(code, message, { span: this.file.span(at), help, related: second }));
  }

  /** What is reported now is only counted: looking for help with it is lost time. */
  get isFull(): boolean {
    return this.diagnostics.length >= mostDiagnostics;
  }

  /** Once for errors, so that a profile with one too many never passes, and once for warnings. */
  private reportMore(code: DiagnosticCode, at: Range): void {
    const { severity } = catalogue[code];
    if (this.untold.has(severity)) return;
    this.untold.add(severity);
    const rest = severity === "error" ? "P0703" : "P0709";
    this.diagnostics.push(diagnostic(rest, `there are more ${severity}s than are shown`, { span: this.file.span(at) }));
  }

  /** "of another shape". Gives undefined, so that a reader can end with it. */
  refuse(at: Range, message: string, help?: string): undefined {
    this.report("P0703", at, message, help);
    return undefined;
  }

  object(node: JsonNode, what: string): JsonObject | undefined {
    if (node.kind !== "object") return this.refuse(node, `${what} must be an object, and this is ${describe(node)}`);
    return new JsonObject(this, node, what);
  }

  list(node: JsonNode, what: string): readonly JsonNode[] | undefined {
    if (node.kind !== "array") return this.refuse(node, `${what} must be a list, and this is ${describe(node)}`);
    return node.elements;
  }

  text(node: JsonNode, what: string): string | undefined {
    if (node.kind !== "string") return this.refuse(node, `${what} must be a string, and this is ${describe(node)}`);
    return node.value;
  }

  /** All the strings of a list; those that are none are told and left out. */
  texts(node: JsonNode, what: string): { readonly value: string; readonly at: Range }[] {
    return (this.list(node, what) ?? []).flatMap((element) => {
      const value = this.text(element, `an element of ${what}`);
      return value === undefined ? [] : [{ value, at: element }];
    });
  }

  /** One of a fixed set of names. */
  choice<N extends string>(node: JsonNode, what: string, names: readonly N[]): N | undefined {
    const value = this.text(node, what);
    if (value === undefined) return undefined;
    const found = names.find((name) => name === value);
    if (found !== undefined) return found;
    const near = this.isFull ? undefined : nearestName(value, names);
    return this.refuse(
      node,
      `there is no ${what} ${JSON.stringify(value.slice(0, 80))}`,
      near === undefined ? `one of ${names.join(", ")}` : `write "${near}"`,
    );
  }

  /** An integer of 64 bits, exactly as it is written: it never goes through a double. */
  integer(node: JsonNode, what: string, largest: bigint): bigint | undefined {
    if (node.kind !== "number") return this.refuse(node, `${what} must be a number, and this is ${describe(node)}`);
    if (!/^[0-9]+$/.test(node.text)) {
      return this.refuse(node, `${what} must be a whole number that is not negative`, "write its decimal digits");
    }
    // BigInt of a million digits would take long; no number in range has more than twenty.
    const value = node.text.length > 20 ? largest + 1n : BigInt(node.text);
    if (value > largest) return this.refuse(node, `${what} must be at most ${largest}`);
    return value;
  }
}

/** An object whose members are asked for by name; `null` counts as absent, as Go's reader has it. */
export class JsonObject {
  readonly node: JsonNode & { readonly kind: "object" };
  private readonly reader: OciReader;
  private readonly what: string;

  constructor(reader: OciReader, node: JsonNode & { readonly kind: "object" }, what: string) {
    this.reader = reader;
    this.node = node;
    this.what = what;
  }

  get(name: string): JsonNode | undefined {
    const value = this.member(name)?.value;
    return value === undefined || value.kind === "null" ? undefined : value;
  }

  member(name: string): JsonMember | undefined {
    return this.node.members.find((member) => member.name === name);
  }

  need(name: string): JsonNode | undefined {
    const value = this.get(name);
    if (value !== undefined) return value;
    return this.reader.refuse(firstCharacter(this.node), `${this.what} has no \`${name}\``);
  }

  /**
   * Tells of members that nobody reads. Inside a rule that is an error: a comparison that is passed over because its
   * name is mistyped would widen the rule.
   */
  onlyHas(names: readonly string[], code: "P0703" | "P0709" = "P0703"): void {
    for (const member of this.node.members) {
      if (names.includes(member.name)) continue;
      const near = this.reader.isFull ? undefined : nearestName(member.name, names);
      const help = near === undefined ? `it has ${names.join(", ")}` : `write \`${near}\``;
      this.reader.report(code, member.at, `${this.what} has no member \`${member.name.slice(0, 80)}\``, help);
    }
  }
}

/** Enough to point at a thing that may go over many lines. */
export function firstCharacter(at: Range): Range {
  return { start: at.start, end: at.start + 1 };
}

function describe(node: JsonNode): string {
  switch (node.kind) {
    case "object":
      return "an object";
    case "array":
      return "a list";
    case "string":
      return "a string";
    case "number":
      return "a number";
    case "boolean":
      return `${node.value}`;
    case "null":
      return "null";
  }
}
