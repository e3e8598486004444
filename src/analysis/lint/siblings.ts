/** P0501: a call is refused, but sibling calls with the same effect are allowed with any arguments. */

import { errno } from "../../abi/errno-numbers.ts";
import { callFamilies } from "../../abi/families.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Program } from "../../ir/program.ts";
import type { Decision } from "../decision.ts";
import { enumerate, type View } from "./view.ts";

export function findSiblings(view: View): Diagnostic[] {
  const { program } = view;
  const usual = new Set(view.unnamed.kind === "leaf" ? view.unnamed.possible : []);
  const found = new Map<number, Diagnostic>();
  for (const family of callFamilies) {
    const members = siblingsIn(family.members).filter((name) => view.decisionOf(name) !== undefined);
    const open = members.filter((name) => view.possible(name).every((verdict) => !view.restricts(verdict)));
    if (open.length === 0) continue;
    for (const name of members) {
      if (family.name === "namespace" && !asksForNamespaces(view, name)) continue;
      // The default's verdict is not a refusal of this call.
      const refusal = view
        .possible(name)
        .find((verdict) => view.restricts(verdict) && !usual.has(verdict) && !isNoRefusal(program, verdict));
      if (refusal === undefined || found.has(refusal)) continue;
      if (family.name === "fork" && !refusedWithoutNamespaces(view, name, refusal)) continue;
      const allowed = program.verdicts[view.possible(open[0]!)[0]!]!.at;
      const place = allowed === undefined ? "" : ` (${allowed.line}:${allowed.column})`;
      const verb = open.length === 1 ? "does the same and is" : "do the same and are";
      if (family.name === "namespace") {
        found.set(refusal, namespaceSiblings(view, name, refusal, open, `${verb} allowed${place}`));
        continue;
      }
      const unreadable = open.filter((each) => behindPointers.has(each));
      const readable = [...open.filter((each) => !behindPointers.has(each)), name].sort();
      const set = `calls(${readable.map((each) => `"${each}"`).join(", ")}).has(call)`;
      const rest = unreadable.map((each) => `; for ${each} return deny("ENOSYS")`).join("");
      found.set(
        refusal,
        diagnostic("P0501", `${name} ${view.effect(refusal)} here, and ${enumerate(open)} ${verb} allowed${place}`, {
          span: view.span(refusal),
          help: `${family.does}: ${set}${rest}`,
        }),
      );
    }
  }
  return [...found.values()];
}

/** setns joins an existing namespace: refusing it does not refuse creation, nor the reverse. */
function siblingsIn(members: readonly string[]): readonly string[] {
  return members.filter((name) => name !== "setns");
}

/** clone is refused by the flags of namespaces: refusing clone itself would refuse every child. */
function namespaceSiblings(
  view: View,
  name: string,
  refusal: number,
  open: readonly string[],
  outcome: string,
): Diagnostic {
  const flags = ["USER", "NS", "PID", "NET", "IPC", "UTS", "CGROUP"].map((one) => `"CLONE_NEW${one}"`).join(", ");
  const writes: Readonly<Record<string, string>> = {
    unshare: `refuse unshare as well`,
    clone: `refuse clone by its flags: call.name === "clone" && call.args.flags.hasAny(${flags})`,
    clone3: `for clone3 return deny("ENOSYS")`,
  };
  return diagnostic("P0501", `${name} ${view.effect(refusal)} here, and ${enumerate(open)} ${outcome}`, {
    span: view.span(refusal),
    help: open.map((one) => writes[one] ?? `refuse ${one} as well`).join("; "),
  });
}

/** Their relevant arguments are behind a pointer: the simplest remedy is to make the caller fall back. */
const behindPointers: ReadonlySet<string> = new Set(["openat2", "clone3", "sendmmsg"]);

/** CLONE_NEWTIME and CLONE_NEWNS … CLONE_NEWNET (include/uapi/linux/sched.h). */
const namespaceFlags = 0x7e02_0080n;

/** clone creates namespaces, but a rule that refuses it means processes, unless it tests those flags. */
function asksForNamespaces(view: View, name: string): boolean {
  const decision = view.decisionOf(name);
  if (!name.startsWith("clone") || decision === undefined) return true;
  const seen = new Set<Decision>([decision]);
  for (const node of seen) {
    if (node.kind === "leaf") continue;
    if (node.test.word === "argument0" && (node.test.mask & namespaceFlags) !== 0n) return true;
    seen.add(node.then);
    seen.add(node.otherwise);
  }
  return false;
}

/** fork and vfork create no namespaces: a refusal of clone that depends on those flags does not concern them. */
function refusedWithoutNamespaces(view: View, name: string, refusal: number): boolean {
  const decision = view.decisionOf(name);
  if (decision === undefined || !name.startsWith("clone")) return true;
  const seen = new Set<Decision>([decision]);
  for (const node of seen) {
    if (node.kind === "leaf") {
      if (node.possible.includes(refusal)) return true;
      continue;
    }
    const { word, mask, intervals } = node.test;
    if (word === "argument0" && (mask & ~namespaceFlags) === 0n) {
      seen.add(intervals[0]!.from === 0n ? node.then : node.otherwise);
    } else {
      seen.add(node.then);
      seen.add(node.otherwise);
    }
  }
  return false;
}

/** These errnos make the caller do without the call or its flag (MSG_FASTOPEN). A call that is late for a room can be repeated. */
function isNoRefusal({ verdicts, rooms }: Program, verdict: number): boolean {
  const isFallback = [errno.ENOSYS, errno.EOPNOTSUPP].some((one) => one === verdicts[verdict]!.errno);
  return isFallback || rooms.some(({ late }) => late === verdict);
}
