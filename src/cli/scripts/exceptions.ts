/** Reads portcullis-scripts.json: what the script of one package may do beyond the policy package-script. */
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import { type JsonNode, readJson } from "../../frontend/oci/json.ts";
import { type Range, SourceFile } from "../../frontend/source/file.ts";
import { parsePattern } from "../../hosts/names.ts";
import { Failure } from "../verb.ts";

export const exceptionsName = "portcullis-scripts.json";

export interface Exceptions {
  /** Directories and files: below the package, absolute, or below the home directory (`~/`). */
  readonly execute?: readonly string[];
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  /** The list of `run --hosts`. With an empty list there is a network that reaches no host, and each attempt names one. */
  readonly hosts?: readonly string[];
  /** Names of variables that the script keeps although they look like credentials. */
  readonly environment?: readonly string[];
  readonly processes?: number;
  readonly seconds?: number;
}

/** `skip`: the script does not run, and its package counts as installed. `deny`: it does not run, and fails. */
export type Exception = Exceptions | "skip" | "deny";

const lists = ["execute", "read", "write", "hosts", "environment"] as const;
const numbers = { processes: 100_000, seconds: 86_400 } as const;
const names = [...lists, ...Object.keys(numbers)];

/**
 * The entry of a package, or else the one of "*".
 *
 * @param shown the file's name in messages
 * @throws Failure with each fault of the whole file
 */
export function exceptionOf(name: string, text: string, shown: string): Exception {
  const entries = readExceptions(text, shown);
  return entries.get(name) ?? entries.get("*") ?? {};
}

/** The entries of all packages. @param shown the file's name in messages @throws Failure with each fault of the file */
export function readExceptions(text: string, shown: string): ReadonlyMap<string, Exception> {
  const source = new SourceFile(shown, shown, text, 0);
  const faults: Diagnostic[] = [];
  const fault = (at: Range, message: string, help?: string) => {
    faults.push(diagnostic("P0919", message, { span: source.span(at), help }));
  };
  const entries = new Map<string, Exception>();
  const outcome = readJson(text);
  if ("problem" in outcome) fault(outcome.at, outcome.problem, outcome.help);
  else if (outcome.root.kind !== "object") fault(outcome.root, "the file must be an object of packages");
  else for (const { name, value } of outcome.root.members) entries.set(name, readException(name, value, fault));
  if (faults.length > 0) throw new Failure(faults, new Map([[shown, text]]));
  return entries;
}

type Fault = (at: Range, message: string, help?: string) => void;

function readException(name: string, node: JsonNode, fault: Fault): Exception {
  const what = JSON.stringify(name);
  if (node.kind === "string" && (node.value === "skip" || node.value === "deny")) return node.value;
  if (node.kind !== "object") {
    fault(node, `${what} must be an object of exceptions, "skip" or "deny"`);
    return "deny";
  }
  const result: Record<string, readonly string[] | number> = {};
  for (const { name: key, at, value } of node.members) {
    if (isList(key)) result[key] = readList(key, value, fault);
    else if (isNumber(key)) result[key] = readNumber(key, value, fault);
    else {
      const near = nearestName(key, names);
      fault(
        at,
        `no exception is called ${JSON.stringify(key)}`,
        near === undefined ? names.join(", ") : `write ${near}`,
      );
    }
  }
  return result;
}

const isList = (key: string): key is (typeof lists)[number] => (lists as readonly string[]).includes(key);
const isNumber = (key: string): key is keyof typeof numbers => Object.hasOwn(numbers, key);

function readList(key: (typeof lists)[number], node: JsonNode, fault: Fault): readonly string[] {
  if (node.kind !== "array") {
    fault(node, `${key} must be a list of texts`);
    return [];
  }
  return node.elements.flatMap((each) => {
    const problem = each.kind === "string" ? faultOfText(key, each.value) : "must be a text";
    if (problem !== undefined) fault(each, `this entry of ${key} ${problem}`);
    return each.kind === "string" ? [each.value] : [];
  });
}

function faultOfText(key: (typeof lists)[number], text: string): string | undefined {
  if (key === "hosts") {
    const pattern = parsePattern(text);
    return "error" in pattern ? `is no host: ${pattern.error}` : undefined;
  }
  if (text === "" || text.includes("\0")) return "is empty or contains a NUL";
  if (key === "environment") return text.includes("=") ? "is not the name of a variable" : undefined;
  // A parameter of the policy is a list between commas.
  return text.includes(",") ? "contains a comma, which no list of the policy can hold" : undefined;
}

function readNumber(key: keyof typeof numbers, node: JsonNode, fault: Fault): number {
  const value = node.kind === "number" && /^\d{1,6}$/.test(node.text) ? Number(node.text) : 0;
  if (value < 1 || value > numbers[key]) fault(node, `${key} must be an integer from 1 to ${numbers[key]}`);
  return value;
}
