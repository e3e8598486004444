/**
 * Kubernetes' published schemas, from Debian's source of client-go: that of server-side apply has every kind, member and
 * type, and the OpenAPI documents the required members of the core and apps groups.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const clientGo = "build/packages/golang-k8s-client-go-dev/usr/share/gocode/src/k8s.io/client-go";

interface Type {
  readonly name?: string;
  readonly namedType?: string;
  readonly scalar?: "string" | "numeric" | "boolean" | "untyped";
  readonly list?: { readonly elementType: Type };
  readonly map?: {
    readonly fields?: readonly { readonly name: string; readonly type: Type }[];
    readonly elementType?: Type;
  };
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export function haveSchemas(): boolean {
  return existsSync(clientGo);
}

export class Schemas {
  readonly #types: ReadonlyMap<string, Type>;
  readonly #required: ReadonlyMap<string, readonly string[]>;

  constructor() {
    const source = readFileSync(join(clientGo, "applyconfigurations/internal/internal.go"), "utf8");
    const { types } = parse(/YAMLObject\(`([^`]*)`\)/.exec(source)![1]!) as { readonly types: readonly Type[] };
    this.#types = new Map(types.map((type) => [type.name!, type]));
    const documents = ["api__v1", "apis__apps__v1"].map((name) => {
      const file = join(clientGo, "openapi/openapitest/testdata", `${name}_openapi.json`);
      return JSON.parse(readFileSync(file, "utf8")) as {
        readonly components: { readonly schemas: Readonly<Record<string, { readonly required?: readonly string[] }>> };
      };
    });
    this.#required = new Map(
      documents.flatMap(({ components }) =>
        Object.entries(components.schemas).map(([name, { required = [] }]) => [name, required] as const),
      ),
    );
  }

  /** What is wrong with a manifest; empty if nothing is. */
  faults(manifest: Manifest): readonly string[] {
    const [version, group = "core"] = manifest.apiVersion.split("/").reverse();
    const name = `io.k8s.api.${group.split(".")[0]}.${version}.${manifest.kind}`;
    if (!this.#types.has(name)) return [`${name}: there is no such kind`];
    return this.#check({ namedType: name }, manifest, manifest.kind);
  }

  #check(type: Type, value: unknown, path: string): readonly string[] {
    if (type.namedType !== undefined) {
      const named = this.#types.get(type.namedType);
      if (named === undefined) throw new Error(`${path}: the type ${type.namedType} is missing`);
      const given = typeof value === "object" && value !== null ? Object.keys(value) : [];
      const lacking = (this.#required.get(type.namedType) ?? []).filter((member) => !given.includes(member));
      return [...lacking.map((member) => `${path}.${member} is missing`), ...this.#check(named, value, path)];
    }
    const { scalar, list, map } = type;
    if (Array.isArray(value)) {
      if (list === undefined) return [`${path} is a list`];
      return value.flatMap((element, index) => this.#check(list.elementType, element, `${path}[${index}]`));
    }
    if (typeof value === "object" && value !== null) {
      if (map === undefined) return [`${path} has members`];
      return Object.entries(value).flatMap(([member, content]) => {
        const found = map.fields?.find(({ name }) => name === member)?.type ?? map.elementType;
        return found === undefined
          ? [`${path}.${member} is unknown`]
          : this.#check(found, content, `${path}.${member}`);
      });
    }
    const kind = { string: "string", number: "numeric", boolean: "boolean" }[typeof value as string];
    return scalar === "untyped" || (kind !== undefined && kind === scalar)
      ? []
      : [`${path} is ${JSON.stringify(value)}`];
  }
}
