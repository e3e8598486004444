/** Rulesets as bytes: `struct layer_header` and `struct layer_rule` of native/launcher/layer_format.h. */

import { fileRights, maskOf, portRights, scopeRights } from "../../abi/landlock.ts";
import { mostLayers } from "../../ir/objects.ts";
import type { Rule, Ruleset } from "./rulesets.ts";

/** `MAX_LAYERS_SIZE`, in bytes. */
export const largestLayers = 1 << 20;
const headerSize = 16;
export const ruleKinds = {
  beneath: 1,
  port: 2,
  except: 3,
  streams: 4,
  protect: 5,
  "above-protected": 6,
  private: 7,
  shown: 8,
  processes: 9,
  "private-size": 10,
} as const satisfies Record<Rule["is"], number>;
export const ruleFlags = { mayBeMissing: 1, isWhole: 2, isDirectory: 4, isReadOnly: 8 } as const;
/** `PATH_MAX`, with the NUL. */
const longestPath = 4096;

/** The bytes are not those of rulesets. */
export class RulesetError extends Error {
  override readonly name = "RulesetError";
}

/** Throws a RulesetError if the bytes would be too many. */
export function encodeRulesets(rulesets: readonly Ruleset[]): Uint8Array {
  const chunks = rulesets.flatMap((ruleset) => {
    const rules = ruleset.rules.map(encodeRule);
    const size = rules.reduce((sum, { length }) => sum + length, 0);
    const masks = [
      maskOf(fileRights, ruleset.files),
      maskOf(portRights, ruleset.ports),
      maskOf(scopeRights, ruleset.scopes),
    ];
    return [words([...masks.map(Number), size]), ...rules];
  });
  const bytes = new Uint8Array(Buffer.concat(chunks));
  if (bytes.length > largestLayers) {
    throw new RulesetError(
      `the files of a policy are at most ${largestLayers} bytes of rules, and these are ${bytes.length}`,
    );
  }
  return bytes;
}

function encodeRule(rule: Rule): Uint8Array {
  switch (rule.is) {
    case "beneath": {
      const access = Number(maskOf(fileRights, rule.access));
      const flags = (rule.optional ? ruleFlags.mayBeMissing : 0) | (rule.whole ? ruleFlags.isWhole : 0);
      return withPath([ruleKinds.beneath, access, flags], rule.path);
    }
    case "port":
      return words([ruleKinds.port, Number(maskOf(portRights, rule.access)), rule.port, 0]);
    case "protect":
      return withPath([ruleKinds.protect, 0, rule.isDirectory ? ruleFlags.isDirectory : 0], rule.path);
    case "private":
      return withPath([ruleKinds.private, 0, rule.optional ? ruleFlags.mayBeMissing : 0], rule.path);
    case "shown":
      return withPath([ruleKinds.shown, 0, rule.isReadOnly ? ruleFlags.isReadOnly : 0], rule.path);
    case "except":
    case "above-protected":
      return withPath([ruleKinds[rule.is], 0, 0], rule.path);
    case "streams":
      return words([ruleKinds.streams, Number(maskOf(fileRights, rule.access)), 0, 0]);
    case "processes":
    case "private-size":
      return words([ruleKinds[rule.is], 0, rule.most, 0]);
  }
}

function withPath(first: readonly number[], path: string): Uint8Array {
  const text = Buffer.from(path);
  const length = (text.length + 4) & ~3;
  const bytes = new Uint8Array(headerSize + length);
  bytes.set(words([...first, length]));
  bytes.set(text, headerSize);
  return bytes;
}

function words(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(4 * index, value, true);
  });
  return bytes;
}

/** Throws a RulesetError for every sequence of bytes that `check_layers` of the launcher refuses. */
export function decodeRulesets(bytes: Uint8Array): readonly Ruleset[] {
  demand(bytes.length <= largestLayers && bytes.length % 4 === 0, "its layers have an invalid size");
  const rulesets: Ruleset[] = [];
  for (let at = 0; at < bytes.length; ) {
    demand(rulesets.length < mostLayers, "it has too many layers");
    const [files, ports, scopes, size] = wordsAt(bytes, at, "a layer extends beyond the end");
    const end = at + headerSize + size;
    demand(end <= bytes.length && size % 4 === 0, "a layer extends beyond the end");
    const ruleset = {
      files: rightsOf(fileRights, files, "a layer restricts an unknown right, or none"),
      ports: rightsOf(portRights, ports, "a layer restricts an unknown right, or none"),
      scopes: rightsOf(scopeRights, scopes, "a layer restricts an unknown right, or none"),
    };
    // Files can be protected without a right.
    demand((files | ports | scopes) !== 0 || size > 0, "a layer restricts an unknown right, or none");
    demand(files === 0 || ruleset.files.includes("refer"), "a layer restricts files without refer");
    const rules: Rule[] = [];
    for (at += headerSize; at < end; ) {
      const { rule, next } = decodeRule(bytes.subarray(0, end), at, { files, ports });
      rules.push(rule);
      at = next;
    }
    rulesets.push({ ...ruleset, rules });
  }
  return rulesets;
}

const flagsOfKind: Readonly<Record<number, number>> = {
  [ruleKinds.beneath]: ruleFlags.mayBeMissing | ruleFlags.isWhole,
  [ruleKinds.protect]: ruleFlags.isDirectory,
  [ruleKinds.private]: ruleFlags.mayBeMissing,
  [ruleKinds.shown]: ruleFlags.isReadOnly,
};
const unrestricted = "a rule grants a right that is not restricted";

function decodeRule(
  bytes: Uint8Array,
  at: number,
  restricted: { readonly files: number; readonly ports: number },
): { readonly rule: Rule; readonly next: number } {
  const [kind, access, value, length] = wordsAt(bytes, at, "a rule extends beyond the end");
  const next = at + headerSize + length;
  demand(next <= bytes.length && length % 4 === 0, "a rule extends beyond the end");
  const grants = (of: number) => demand(access !== 0 && (access & ~of) === 0, unrestricted);
  const path = () => readPath(bytes.subarray(at + headerSize, next));
  const isLimit = kind === ruleKinds.processes || kind === ruleKinds["private-size"];
  const hasPath = kind !== ruleKinds.port && kind !== ruleKinds.streams && !isLimit;
  demand(hasPath || length === 0, "a rule has an invalid path");
  const flags = flagsOfKind[kind] ?? 0;
  const isPossible = kind === ruleKinds.port ? value <= 65_535 : isLimit ? value > 0 : (value & ~flags) === 0;
  demand(isPossible, "a rule has an invalid value");
  switch (kind) {
    case ruleKinds.beneath:
      grants(restricted.files);
      return {
        rule: {
          is: "beneath",
          path: path(),
          access: rightsOf(fileRights, access, unrestricted),
          optional: (value & ruleFlags.mayBeMissing) !== 0,
          whole: (value & ruleFlags.isWhole) !== 0,
        },
        next,
      };
    case ruleKinds.port:
      grants(restricted.ports);
      return { rule: { is: "port", port: value, access: rightsOf(portRights, access, unrestricted) }, next };
    case ruleKinds.protect:
      demand(access === 0, unrestricted);
      return { rule: { is: "protect", path: path(), isDirectory: value !== 0 }, next };
    case ruleKinds.private:
      demand(access === 0, unrestricted);
      return { rule: { is: "private", path: path(), optional: value !== 0 }, next };
    case ruleKinds.shown:
      demand(access === 0, unrestricted);
      return { rule: { is: "shown", path: path(), isReadOnly: value !== 0 }, next };
    case ruleKinds.except:
      demand(access === 0, unrestricted);
      return { rule: { is: "except", path: path() }, next };
    case ruleKinds["above-protected"]:
      demand(access === 0, unrestricted);
      return { rule: { is: "above-protected", path: path() }, next };
    case ruleKinds.processes:
    case ruleKinds["private-size"]:
      demand(access === 0, unrestricted);
      return { rule: { is: kind === ruleKinds.processes ? "processes" : "private-size", most: value }, next };
    case ruleKinds.streams:
      grants(restricted.files);
      return { rule: { is: "streams", access: rightsOf(fileRights, access, unrestricted) }, next };
    default:
      throw new RulesetError("a rule is of an unknown kind");
  }
}

function readPath(bytes: Uint8Array): string {
  const length = bytes.indexOf(0);
  demand(
    bytes.length >= 4 &&
      bytes.length <= longestPath &&
      bytes[0] === 0x2f &&
      length > 0 &&
      bytes.length === ((length + 4) & ~3) &&
      bytes.subarray(length).every((byte) => byte === 0),
    "a rule has an invalid path",
  );
  return Buffer.from(bytes.subarray(0, length)).toString();
}

function wordsAt(bytes: Uint8Array, at: number, otherwise: string): [number, number, number, number] {
  demand(bytes.length - at >= headerSize, otherwise);
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  return [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true), view.getUint32(12, true)];
}

function rightsOf<Right extends string>(
  table: Readonly<Record<Right, { readonly bit: number }>>,
  mask: number,
  otherwise: string,
): readonly Right[] {
  const rights = (Object.keys(table) as Right[]).filter((right) => (mask & (1 << table[right].bit)) !== 0);
  demand(maskOf(table, rights) === BigInt(mask), otherwise);
  return rights;
}

function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new RulesetError(otherwise);
}
