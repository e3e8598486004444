/**
 * Reads the shape of a profile: the OCI runtime specification (config-linux.md, "Seccomp") with the additions of Docker
 * and Podman (`archMap`, `includes`, `excludes`, `comment`, errnos by name; github.com/moby/profiles, containers/common
 * pkg/seccomp).
 */

import { errnoByName, errnoName } from "../../abi/errno.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { maximumWord } from "../../abi/word.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import { type Action, type actions as actionFacts, maximumErrno, returnsZero } from "../../ir/verdicts.ts";
import type { Range } from "../source/file.ts";
import type { JsonNode } from "./json.ts";
import { noteLosses } from "./losses.ts";
import {
  type ActionName,
  actionNames,
  type KernelVersion,
  type OciAction,
  type OciComparison,
  type OciFilter,
  type OciHost,
  type OciName,
  type OciRule,
  operatorNames,
} from "./profile.ts";
import { firstCharacter, type JsonObject, type OciReader } from "./reader.ts";

/** The data bits of a filter's return word. A larger errno would lose its upper bits. */
const maximumData = 0xffffn;

export interface WrittenProfile {
  readonly defaultAction: OciAction;
  /** All rules, for every machine. */
  readonly rules: readonly OciRule[];
}

const profileMembers = [
  "defaultAction",
  "defaultErrnoRet",
  "defaultErrno",
  "architectures",
  "archMap",
  "flags",
  "listenerPath",
  "listenerMetadata",
  "syscalls",
  "comment",
];
const ruleMembers = ["names", "name", "action", "errnoRet", "errno", "args", "comment", "includes", "excludes"];
const argumentMembers = ["index", "value", "valueTwo", "op"];
const filterMembers = ["arches", "caps", "minKernel"];

/** Undefined after an error that leaves nothing to read. */
export function readShape(root: JsonNode, reader: OciReader, host: OciHost): WrittenProfile | undefined {
  const profile = reader.object(root, "a profile");
  if (profile === undefined) return undefined;
  profile.onlyHas(profileMembers, "P0709");
  const defaultAction = actionOf(reader, profile, "defaultAction", "defaultErrnoRet", "defaultErrno");
  if (defaultAction?.name === "SCMP_ACT_NOTIFY") {
    reader.refuse(defaultAction.at, "SCMP_ACT_NOTIFY cannot be the default action", "container runtimes refuse it too");
  }
  const syscalls = profile.get("syscalls");
  const elements = syscalls === undefined ? [] : (reader.list(syscalls, "`syscalls`") ?? []);
  const rules = elements.flatMap((element) => {
    const rule = ruleOf(reader, element);
    return rule === undefined ? [] : [rule];
  });
  noteLosses(reader, profile, host);
  return defaultAction === undefined ? undefined : { defaultAction, rules };
}

// ── Rules ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function ruleOf(reader: OciReader, node: JsonNode): OciRule | undefined {
  const rule = reader.object(node, "a rule");
  if (rule === undefined) return undefined;
  rule.onlyHas(ruleMembers);
  const names = namesOf(reader, rule);
  const action = actionOf(reader, rule, "action", "errnoRet", "errno");
  const args = rule.get("args");
  const written = args === undefined ? [] : (reader.list(args, "`args`") ?? []);
  const comparisons = written.map((argument) => comparisonOf(reader, argument));
  const comment = rule.get("comment");
  const reason = comment === undefined ? undefined : reader.text(comment, "`comment`");
  const includes = filterOf(reader, rule, "includes");
  const excludes = filterOf(reader, rule, "excludes");
  if (action === undefined) return undefined;
  return {
    names,
    action,
    reason: reason === "" ? undefined : reason,
    // An unreadable comparison is an error, so no program is made from the rest.
    comparisons: comparisons.filter((comparison) => comparison !== undefined),
    includes,
    excludes,
    at: firstCharacter(node),
  };
}

function namesOf(reader: OciReader, rule: JsonObject): OciName[] {
  const names = rule.get("names");
  const name = rule.get("name");
  if (names !== undefined && name !== undefined) {
    reader.refuse(name, "a rule has `name` or `names`, not both");
    return [];
  }
  // Docker's profiles from before 2016 have one name for each rule.
  if (name !== undefined) {
    const value = reader.text(name, "`name`");
    return value === undefined ? [] : [{ name: value, at: name }];
  }
  const list = rule.need("names");
  if (list === undefined) return [];
  const found = reader.texts(list, "`names`").map(({ value, at }) => ({ name: value, at }));
  if (list.kind === "array" && list.elements.length === 0) {
    reader.refuse(list, "this rule names no calls", "leave the rule out; an empty list does not mean every call");
  }
  return found;
}

function comparisonOf(reader: OciReader, node: JsonNode): OciComparison | undefined {
  const argument = reader.object(node, "a comparison");
  if (argument === undefined) return undefined;
  argument.onlyHas(argumentMembers);
  const indexNode = argument.need("index");
  const index = indexNode === undefined ? undefined : reader.integer(indexNode, "`index`", 5n);
  const operatorNode = argument.need("op");
  const operator = operatorNode === undefined ? undefined : reader.choice(operatorNode, "operator", operatorNames);
  const valueNode = argument.need("value");
  const value = valueNode === undefined ? undefined : reader.integer(valueNode, "`value`", maximumWord);
  const secondNode = argument.get("valueTwo");
  const second = secondNode === undefined ? 0n : reader.integer(secondNode, "`valueTwo`", maximumWord);
  if (index === undefined || operator === undefined || value === undefined || second === undefined) return undefined;
  const at = valueNode ?? node;
  const place = Number(index) as OciComparison["argument"];
  if (operator !== "SCMP_CMP_MASKED_EQ") return { argument: place, operator, mask: maximumWord, value, at };
  // `value` is the mask here. Bits of `valueTwo` outside of it are dropped, as in libseccomp (src/db.c).
  return { argument: place, operator, mask: value, value: second & value, at };
}

// ── Actions ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const actions = {
  SCMP_ACT_KILL: "kill-thread",
  SCMP_ACT_KILL_THREAD: "kill-thread",
  SCMP_ACT_KILL_PROCESS: "kill-process",
  SCMP_ACT_TRAP: "trap",
  SCMP_ACT_ERRNO: "deny",
  SCMP_ACT_ALLOW: "allow",
  SCMP_ACT_LOG: "log",
  // The kernel's result without a tracer or listener (seccomp(2)).
  SCMP_ACT_TRACE: "deny",
  SCMP_ACT_NOTIFY: "deny",
} as const satisfies { readonly [N in ActionName]: Action } & OwnNames;

/** The name that an export writes for an action means that action. No profile says whom SCMP_ACT_NOTIFY asks. */
type OwnNames = { readonly [A in Exclude<Action, "ask"> as (typeof actionFacts)[A]["oci"]]: A };

function actionOf(
  reader: OciReader,
  object: JsonObject,
  member: string,
  numberMember: string,
  nameMember: string,
): OciAction | undefined {
  const node = object.need(member);
  if (node === undefined) return undefined;
  const name = reader.choice(node, "action", actionNames);
  const given = errnoOf(reader, object, numberMember, nameMember);
  if (name === undefined) return undefined;
  const takesErrno = name === "SCMP_ACT_ERRNO" || name === "SCMP_ACT_TRACE";
  if (given !== undefined && !takesErrno) {
    reader.refuse(given.at, `${name} takes no errno`, "leave it out: a container runtime must refuse such a profile");
  }
  if (name === "SCMP_ACT_ERRNO" && given?.errno === 0) {
    reader.report(
      "P0701",
      given.at,
      `with errno 0 the call ${returnsZero}: the program continues as if the call had succeeded`,
      "use the number of an error (EPERM is 1), unless the program should continue like that",
    );
  }
  if (name === "SCMP_ACT_ERRNO" && given !== undefined && given.errno > maximumErrno) {
    reader.report("P0710", given.at, `the kernel replaces errno ${given.errno} by ${maximumErrno}, its maximum`);
  }
  const isDenial = actions[name] === "deny";
  return {
    name: name === "SCMP_ACT_KILL" ? "SCMP_ACT_KILL_THREAD" : name,
    action: actions[name],
    errno:
      name === "SCMP_ACT_ERRNO" ? Math.min(given?.errno ?? errno.EPERM, maximumErrno) : isDenial ? errno.ENOSYS : 0,
    at: node,
  };
}

/** Podman writes the number, the name, or both; the name is the newer form and wins (pkg/seccomp/filter.go). */
function errnoOf(
  reader: OciReader,
  object: JsonObject,
  numberMember: string,
  nameMember: string,
): { readonly errno: number; readonly at: Range } | undefined {
  const numberNode = object.get(numberMember);
  const nameNode = object.get(nameMember);
  const byNumber =
    numberNode === undefined ? undefined : reader.integer(numberNode, `\`${numberMember}\``, maximumData);
  if (nameNode !== undefined) {
    const name = reader.text(nameNode, `\`${nameMember}\``);
    if (name === undefined) return undefined;
    // An empty name means absent, as in Go.
    if (name !== "") {
      const errno = /^[0-9]{1,5}$/.test(name) && Number(name) <= maximumData ? Number(name) : errnoByName(name);
      if (errno === undefined) {
        const near = nearestName(name, errnoNames());
        return reader.refuse(
          nameNode,
          `there is no error named ${JSON.stringify(name.slice(0, 80))}`,
          near === undefined ? "see errno(3)" : `write "${near}"`,
        );
      }
      if (byNumber !== undefined && errno !== Number(byNumber)) {
        reader.refuse(
          nameNode,
          `\`${nameMember}\` is ${errno}, and \`${numberMember}\` is ${byNumber}`,
          "leave one out",
        );
      }
      return { errno, at: nameNode };
    }
  }
  return byNumber === undefined || numberNode === undefined ? undefined : { errno: Number(byNumber), at: numberNode };
}

function errnoNames(): string[] {
  return Array.from({ length: 134 }, (_, number) => errnoName(number)).filter((name) => name !== undefined);
}

// ── Conditions of a rule ─────────────────────────────────────────────────────────────────────────────────────────────

const nowhere: OciFilter = { arches: [], caps: [], minKernel: undefined };

function filterOf(reader: OciReader, rule: JsonObject, name: "includes" | "excludes"): OciFilter {
  const node = rule.get(name);
  const filter = node === undefined ? undefined : reader.object(node, `\`${name}\``);
  if (filter === undefined) return nowhere;
  filter.onlyHas(filterMembers);
  const list = (member: string) => {
    const value = filter.get(member);
    return value === undefined ? [] : reader.texts(value, `\`${member}\``);
  };
  const caps = list("caps");
  for (const { value, at } of caps) {
    if (!/^CAP_[A-Z_]+$/.test(value)) reader.refuse(at, "this is not a capability", 'like "CAP_SYS_ADMIN"');
  }
  const kernelNode = filter.get("minKernel");
  const text = kernelNode === undefined ? undefined : reader.text(kernelNode, "`minKernel`");
  // An empty version means absent, as in Go. Docker accepts exactly two numbers.
  const version = text !== undefined && /^[0-9]+\.[0-9]+$/.test(text) ? parseKernelVersion(text) : undefined;
  const isVersion = version !== undefined && (version.major > 0 || version.minor > 0);
  if (kernelNode !== undefined && text !== undefined && text !== "" && !isVersion) {
    reader.refuse(kernelNode, "this is not a kernel version", 'like "4.8"');
  }
  return {
    arches: list("arches").map(({ value }) => value),
    caps: caps.map(({ value }) => value),
    minKernel: version === undefined || kernelNode === undefined ? undefined : { version, at: kernelNode },
  };
}

/** Reads "6.12.3-amd64" as 6.12. */
export function parseKernelVersion(text: string): KernelVersion | undefined {
  const match = /^([0-9]{1,4})\.([0-9]{1,6})(?:[.+~-].*)?$/.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) };
}
