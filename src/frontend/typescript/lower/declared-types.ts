/**
 * Declared types. The compiler knows more about a value than its type; it checks a type where it is written (a
 * parameter, a result, a variable, `satisfies`), so that it refuses what tsc refuses there.
 */
import type { Node, TSType, TSTypeReference } from "oxc-parser";
import { isDuration } from "../../../abi/durations.ts";
import { errnoNames } from "../../../abi/errno.ts";
import { nameSet, nameSetNames } from "../../../abi/flags.ts";
import { groups } from "../../../abi/groups.ts";
import { explainUnknownCall } from "../../../abi/unknown-call.ts";
import { nearestName } from "../../../diagnostics/suggest.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { type Range, widthRange } from "../values/ranges.ts";
import type { LexicalScope, TypeSource } from "../values/scope.ts";
import type { Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";

export type Type =
  /** Not checked: the type has an error, or the value is checked at its use. */
  | { readonly is: "anything" }
  | { readonly is: "integer"; readonly name: string; readonly range: Range | undefined }
  | { readonly is: "integer-literal"; readonly value: bigint }
  | { readonly is: "boolean"; readonly value: boolean | undefined }
  | { readonly is: "string"; readonly name: string; readonly holds: ((text: string) => boolean) | undefined }
  | { readonly is: "call"; readonly name: string; readonly names: bigint }
  | { readonly is: "plain"; readonly name: string; readonly value: Value["is"] }
  /** An object of the library. */
  | { readonly is: "object"; readonly name: string }
  | { readonly is: "record"; readonly name: string; readonly members: ReadonlyMap<string, Member> }
  | { readonly is: "map"; readonly of: Type }
  | { readonly is: "list"; readonly of: Type }
  | { readonly is: "tuple"; readonly of: readonly Type[] }
  | { readonly is: "function" }
  | { readonly is: "union"; readonly of: readonly Type[] };

interface Member {
  readonly type: Type;
  readonly optional: boolean;
}

const anything: Type = { is: "anything" };
const deepestType = 50;

/** Resolves a type, and reports types that the language lacks. */
export function resolveType(c: Compilation, source: TypeSource<Value>): Type {
  return new Resolver(c).resolve(source.node, source);
}

class Resolver {
  private readonly c: Compilation;
  private depth = 0;

  constructor(c: Compilation) {
    this.c = c;
  }

  resolve(node: Node, where: { readonly scope: LexicalScope<Value>; readonly file: TypeSource<Value>["file"] }): Type {
    if (++this.depth > deepestType) return anything; // a recursive type; there are no recursive values
    const { c } = this;
    const { file, scope } = c;
    c.file = where.file;
    c.scope = where.scope;
    try {
      return this.kind(node as TSType);
    } finally {
      c.file = file;
      c.scope = scope;
      this.depth--;
    }
  }

  private nested(node: Node): Type {
    return this.resolve(node, { scope: this.c.scope, file: this.c.file });
  }

  private kind(node: TSType): Type {
    const { c } = this;
    switch (node.type) {
      case "TSBigIntKeyword":
        return { is: "integer", name: "bigint", range: undefined };
      case "TSBooleanKeyword":
        return { is: "boolean", value: undefined };
      case "TSStringKeyword":
        return { is: "string", name: "string", holds: undefined };
      case "TSVoidKeyword":
        return { is: "plain", name: "void", value: "void" };
      case "TSNumberKeyword":
        c.error("P0201", node, "`number` is floating-point; the integers of a policy are bigint", "write bigint");
        return anything;
      case "TSParenthesizedType":
        return this.nested(node.typeAnnotation);
      case "TSTypeOperator":
        return node.operator === "readonly" ? this.nested(node.typeAnnotation) : anything;
      case "TSArrayType":
        return { is: "list", of: this.nested(node.elementType) };
      case "TSTupleType":
        return this.tuple(node.elementTypes);
      case "TSUnionType":
        return union(node.types.map((one) => this.nested(one)));
      case "TSTypeLiteral":
        return this.record(node.members, "");
      case "TSFunctionType":
        return { is: "function" };
      case "TSLiteralType":
        return this.literal(node.literal);
      case "TSTypeReference":
        return this.reference(node);
      // The compiler derives these from the values themselves.
      case "TSTypeQuery":
      case "TSIndexedAccessType":
      case "TSTemplateLiteralType":
        return anything;
      case "TSAnyKeyword":
      case "TSUnknownKeyword":
        c.error("P0309", node, "a value of this type cannot be used", "write the actual type");
        return anything;
      case "TSNullKeyword":
      case "TSUndefinedKeyword":
        c.error("P0309", node, "the language has no null and no undefined", "give a default value");
        return anything;
      default:
        c.error(
          "P0309",
          node,
          "the language does not have this kind of type",
          "an interface, a union of literals, bigint, boolean, string, Verdict, Call …",
        );
        return anything;
    }
  }

  private tuple(elements: readonly Node[]): Type {
    if (elements.some((one) => one.type === "TSRestType" || one.type === "TSOptionalType")) return anything;
    return {
      is: "tuple",
      of: elements.map((one) => this.nested(one.type === "TSNamedTupleMember" ? one.elementType : one)),
    };
  }

  private literal(literal: Node): Type {
    if (literal.type === "Literal") {
      if (typeof literal.value === "string") {
        const { value } = literal;
        return { is: "string", name: JSON.stringify(value), holds: (text) => text === value };
      }
      if (typeof literal.value === "boolean") return { is: "boolean", value: literal.value };
      if (typeof literal.value === "bigint") return { is: "integer-literal", value: literal.value };
    }
    if (
      literal.type === "UnaryExpression" &&
      literal.operator === "-" &&
      literal.argument.type === "Literal" &&
      typeof literal.argument.value === "bigint"
    ) {
      return { is: "integer-literal", value: -literal.argument.value };
    }
    if (literal.type === "TemplateLiteral") return anything;
    this.c.error("P0201", literal, "a policy has no floating-point numbers", "write an integer, such as 1n");
    return anything;
  }

  private record(members: readonly Node[], name: string): Type {
    const found = new Map<string, Member>();
    for (const member of members) {
      if (member.type !== "TSPropertySignature" || member.computed || member.key.type !== "Identifier") {
        if (member.type === "TSIndexSignature") return anything;
        this.c.error("P0309", member, "an object type has only named members", "name: type");
        continue;
      }
      found.set(member.key.name, {
        type: member.typeAnnotation == null ? anything : this.nested(member.typeAnnotation.typeAnnotation),
        optional: member.optional,
      });
    }
    return { is: "record", name, members: found };
  }

  private reference(node: TSTypeReference): Type {
    const { c } = this;
    if (node.typeName.type !== "Identifier") {
      c.error("P0113", node, "the language has no namespaces", "import the type by its name");
      return anything;
    }
    const { name } = node.typeName;
    const parameters = node.typeArguments?.params ?? [];
    const declared = c.scope.findType(name);
    if (declared !== undefined && !("builtin" in declared)) return this.own(name, declared);
    const known = declared === undefined ? this.standard(name, parameters) : this.library(declared.builtin, parameters);
    if (known !== undefined) return known;
    const near = nearestName(name, [...c.scope.visibleTypes(), ...libraryTypeNames()]);
    c.error(
      "P0113",
      node.typeName,
      `there is no type \`${name}\``,
      libraryTypeNames().includes(name)
        ? `import type { ${name} } from "portcullis"`
        : near === undefined
          ? undefined
          : `did you mean \`${near}\`?`,
    );
    return anything;
  }

  private own(name: string, source: TypeSource<Value>): Type {
    const { node } = source;
    if (node.type === "TSTypeAliasDeclaration") {
      if (node.typeParameters != null) return this.generic(source);
      return this.resolve(node.typeAnnotation, source);
    }
    if (node.type === "TSInterfaceDeclaration") {
      if (node.typeParameters != null) return this.generic(source);
      const { c } = this;
      const { file, scope } = c;
      c.file = source.file;
      c.scope = source.scope;
      try {
        if (++this.depth > deepestType) return anything;
        const own = this.record(node.body.body, name);
        const members = new Map(own.is === "record" ? own.members : []);
        for (const base of node.extends) {
          const type = base.expression.type === "Identifier" ? c.scope.findType(base.expression.name) : undefined;
          const resolved =
            type === undefined || "builtin" in type || base.expression.type !== "Identifier"
              ? anything
              : this.own(base.expression.name, type);
          if (resolved.is !== "record") return anything;
          for (const [key, member] of resolved.members) if (!members.has(key)) members.set(key, member);
        }
        return { is: "record", name, members };
      } finally {
        this.depth--;
        c.file = file;
        c.scope = scope;
      }
    }
    return anything;
  }

  private generic(source: TypeSource<Value>): Type {
    this.c.reporter.report(
      "P0309",
      "declared types have no parameters",
      { file: source.file, node: source.node },
      "write the type with its actual arguments",
    );
    return anything;
  }

  /** Types of lib.d.ts, which need no import. */
  private standard(name: string, parameters: readonly TSType[]): Type | undefined {
    const first = () => (parameters[0] === undefined ? anything : this.nested(parameters[0]));
    switch (name) {
      case "Readonly":
        return first();
      case "ReadonlyArray":
      case "Array":
        return { is: "list", of: first() };
      case "Record":
        return { is: "map", of: parameters[1] === undefined ? anything : this.nested(parameters[1]) };
      case "Exclude":
      case "Extract":
        return anything;
      case "const":
        return anything;
      default:
        return undefined;
    }
  }

  /** Types of the package "portcullis". */
  private library(name: string, parameters: readonly TSType[]): Type | undefined {
    const { c } = this;
    const width = integerTypes.get(name);
    if (width !== undefined) return { is: "integer", name, range: widthRange(...width) };
    const plain = plainTypes.get(name);
    if (plain !== undefined) return { is: "plain", name, value: plain };
    if (objectTypes.has(name)) return { is: "object", name };
    switch (name) {
      case "Call":
        return { is: "call", name, names: c.names.all };
      case "CallOf":
      case "SystemCall":
        return { is: "call", name, names: this.callNames(parameters[0]) };
      case "CallName":
        return { is: "string", name, holds: (text) => c.names.bit(text) !== undefined };
      case "GroupName":
        return { is: "string", name, holds: (text) => groups().has(text) };
      case "Errno":
        return { is: "string", name, holds: (text) => errnoNames().includes(text) };
      case "AbsolutePath":
        return { is: "string", name, holds: (text) => text.startsWith("/") };
      case "Duration":
        return { is: "string", name, holds: isDuration };
      case "Flags":
      case "Choice": {
        const set = parameters[0]?.type === "TSTypeReference" ? parameters[0].typeName : undefined;
        return { is: "object", name: set?.type === "Identifier" ? `${name}<${set.name}>` : name };
      }
    }
    const set = nameSet(name);
    if (set !== undefined) {
      return { is: "string", name, holds: (text) => set.members.some((member) => member.name === text) };
    }
    return looseTypes.has(name) ? anything : undefined;
  }

  private callNames(parameter: TSType | undefined): bigint {
    if (parameter === undefined) return this.c.names.all;
    const names = parameter.type === "TSUnionType" ? parameter.types : [parameter];
    let mask = 0n;
    for (const one of names) {
      const literal = one.type === "TSLiteralType" && one.literal.type === "Literal" ? one.literal.value : undefined;
      if (typeof literal !== "string") return this.c.names.all;
      const bit = this.c.names.bit(literal);
      if (bit === undefined) reportUnknownCall(this.c, one, literal);
      else mask |= bit;
    }
    return mask;
  }
}

export function reportUnknownCall(c: Compilation, node: SourceRange, name: string): void {
  const { message, help } = explainUnknownCall(name);
  c.error("P0101", node, message, help);
}

const integerTypes = new Map<string, [number, boolean]>([
  ["Int32", [32, true]],
  ["Uint32", [32, false]],
  ["Uint16", [16, false]],
  ["Int64", [64, true]],
  ["Uint64", [64, false]],
]);
const plainTypes = new Map<string, Value["is"]>([
  ["Verdict", "verdict"],
  ["Policy", "policy"],
  ["CallSet", "call-set"],
]);
const objectTypes = new Set(
  "Flag Counter Value Phases Table KeySet Rate Rooms Flow Caller Pointer Path PathText ResolvedPath Text ArgumentList SocketAddress MessageHeader IpAddress AbstractName OpenHow CloneArguments MountAttributes SchedulingAttributes AddressSet".split(
    " ",
  ),
);
/** Checked at the use of such a value. */
const looseTypes = new Set(
  "FlowGraph PolicyOptions FileSettings PortSettings LimitSettings RateOptions RoomOptions PhaseOptions OnFork Capacity OciProfile CallTable GroupTable ForkedScope ProcessScope TreeScope RoomScope Scope".split(
    " ",
  ),
);

let typeNames: readonly string[] | undefined;

/** All types that `import type { … } from "portcullis"` can name. */
export function libraryTypeNames(): readonly string[] {
  typeNames ??= [
    ...integerTypes.keys(),
    ...plainTypes.keys(),
    ...objectTypes,
    ...looseTypes,
    ..."Call CallOf SystemCall CallName GroupName Errno AbsolutePath Duration Flags Choice".split(" "),
    ...nameSetNames(),
  ];
  return typeNames;
}

function union(types: readonly Type[]): Type {
  return types.some((one) => one.is === "anything") ? anything : { is: "union", of: types };
}
