/**
 * Converts JSON nodes to plain values and reports each node of a wrong shape. It continues after a fault, so that one
 * run reports all faults of a profile.
 */
import { catalogue, type DiagnosticCode, diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic, Severity } from "../../diagnostics/diagnostic.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import type { Range, SourceFile } from "../source/file.ts";
import type { JsonMember, JsonNode } from "./json.ts";

/** Later diagnostics are only counted. */
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

  /** Later reports are only counted, so callers can skip costly help. */
  get isFull(): boolean {
    return this.diagnostics.length >= mostDiagnostics;
  }

  /** Once for errors, so that a profile with too many never passes, and once for warnings. */
  private reportMore(code: DiagnosticCode, at: Range): void {
    const { severity } = catalogue[code];
    if (this.untold.has(severity)) return;
    this.untold.add(severity);
    const rest = severity === "error" ? "P0703" : "P0709";
    this.diagnostics.push(diagnostic(rest, `there are more ${severity}s than are shown`, { span: this.file.span(at) }));
  }

  /** Reports a wrong shape. Returns undefined, so that a reader can return its result. */
  refuse(at: Range, message: string, help?: string): undefined {
    this.report("P0703", at, message, help);
    return undefined;
  }

  object(node: JsonNode, what: string): JsonObject | undefined {
    if (node.kind !== "object") return this.refuse(node, `${what} must be an object, not ${describe(node)}`);
    return new JsonObject(this, node, what);
  }

  list(node: JsonNode, what: string): readonly JsonNode[] | undefined {
    if (node.kind !== "array") return this.refuse(node, `${what} must be a list, not ${describe(node)}`);
    return node.elements;
  }

  text(node: JsonNode, what: string): string | undefined {
    if (node.kind !== "string") return this.refuse(node, `${what} must be a string, not ${describe(node)}`);
    return node.value;
  }

  /** All strings of a list; other elements are reported and dropped. */
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

  /** A 64-bit integer, parsed from its digits without a double. */
  integer(node: JsonNode, what: string, largest: bigint): bigint | undefined {
    if (node.kind !== "number") return this.refuse(node, `${what} must be a number, not ${describe(node)}`);
    if (!/^[0-9]+$/.test(node.text)) {
      return this.refuse(node, `${what} must be a whole number that is not negative`, "write its decimal digits");
    }
    // BigInt is slow on a million digits; no number in range has more than twenty.
    const value = node.text.length > 20 ? largest + 1n : BigInt(node.text);
    if (value > largest) return this.refuse(node, `${what} must be at most ${largest}`);
    return value;
  }
}

/** An object with members read by name; `null` counts as absent, as in Go. */
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
   * Reports members that are not in the list. In a rule this is an error, because a comparison with a misspelled name
   * would be ignored and widen the rule.
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

/** The first character, which is enough to mark a node of many lines. */
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
