/** P0501: a call is refused, and calls that do the same by another way are allowed whatever their arguments are. */

import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { errno } from "../../linux/errno-numbers.ts";
import { callFamilies } from "../../linux/families.ts";
import type { Decision } from "../decision.ts";
import type { SurveyView } from "./surveyed.ts";
import { enumerate, type View } from "./view.ts";

/** False only where `findTwins` finds nothing: no family has a member that is open and one that is refused. */
export function mayHaveTwins(survey: SurveyView): boolean {
  const { program, unnamed } = survey;
  const usual = unnamed.onArguments ? new Set<number>() : unnamed.certain;
  return callFamilies.some(({ members }) => {
    const judged = twinsIn(members).flatMap((name) => survey.call(name) ?? []);
    const isOpen = judged.some(({ certain }) => ![...certain].some((verdict) => survey.isDenial(verdict)));
    const refuses = (verdict: number) =>
      survey.isDenial(verdict) && !usual.has(verdict) && program.verdicts[verdict]!.errno !== errno.ENOSYS;
    return isOpen && judged.some(({ perhaps }) => [...perhaps].some(refuses));
  });
}

export function findTwins(view: View): Diagnostic[] {
  const { program } = view;
  const usual = new Set(view.unnamed.kind === "leaf" ? view.unnamed.possible : []);
  const found = new Map<number, Diagnostic>();
  for (const family of callFamilies) {
    const members = twinsIn(family.members).filter((name) => view.decisionOf(name) !== undefined);
    const open = members.filter((name) => view.possible(name).every((verdict) => !view.isDenial(verdict)));
    if (open.length === 0) continue;
    for (const name of members) {
      if (family.name === "namespace" && !asksForNamespaces(view, name)) continue;
      // What becomes of any call is no refusal of this one.
      const refusal = view
        .possible(name)
        .find((verdict) => view.isDenial(verdict) && !usual.has(verdict) && !isFallback(view, verdict));
      if (refusal === undefined || found.has(refusal)) continue;
      if (family.name === "fork" && !refusedWithoutNamespaces(view, name, refusal)) continue;
      const allowed = program.verdicts[view.possible(open[0]!)[0]!]!.at;
      const place = allowed === undefined ? "" : ` (${allowed.line}:${allowed.column})`;
      const verb = open.length === 1 ? "does the same and is" : "do the same and are";
      if (family.name === "namespace") {
        found.set(refusal, namespaceTwins(view, name, refusal, open, `${verb} allowed${place}`));
        continue;
      }
      const unreadable = open.filter((each) => unreadableFlags.has(each));
      const readable = [...open.filter((each) => !unreadableFlags.has(each)), name].sort();
      const set = `calls(${readable.map((each) => `"${each}"`).join(", ")}).has(call)`;
      const rest = unreadable.map((each) => `; for ${each} return deny("ENOSYS")`).join("");
      found.set(
        refusal,
        diagnostic("P0501", `${name} is refused here, and ${enumerate(open)} ${verb} allowed${place}`, {
          span: view.span(refusal),
          help: `${family.does}: ${set}${rest}`,
        }),
      );
    }
  }
  return [...found.values()];
}

/** setns joins a namespace that is there already: refusing it refuses no making of one, nor the other way round. */
function twinsIn(members: readonly string[]): readonly string[] {
  return members.filter((name) => name !== "setns");
}

/** clone is refused by the flags that make namespaces: a policy that refused clone itself would refuse every child. */
function namespaceTwins(
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
  return diagnostic("P0501", `${name} is refused here, and ${enumerate(open)} ${outcome}`, {
    span: view.span(refusal),
    help: open.map((one) => writes[one] ?? `refuse ${one} as well`).join("; "),
  });
}

/** Their flags lie behind a pointer, so that the one answer is to have the caller fall back. */
const unreadableFlags: ReadonlySet<string> = new Set(["openat2", "clone3"]);

/** CLONE_NEWTIME and CLONE_NEWNS … CLONE_NEWNET (include/uapi/linux/sched.h). */
const namespaceFlags = 0x7e02_0080n;

/** clone makes namespaces, but who refuses it means processes, unless the refusal asks for those flags. */
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

/** fork and vfork make no namespaces: a refusal of clone that only those flags lead to says nothing of them. */
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

/** ENOSYS sends the caller to the older call: that is no refusal of what it does. */
function isFallback(view: View, verdict: number): boolean {
  return view.program.verdicts[verdict]!.errno === errno.ENOSYS;
}
