/** P0509: a rule against a call that bypasses seccomp filters (abi/exempt-calls.ts). */

import { exemptCalls } from "../../abi/exempt-calls.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { View } from "./view.ts";

export function findExempt(view: View): Diagnostic[] {
  // A default is not a rule about these calls, and neither is the ENOSYS for calls newer than an OCI profile.
  const newest = view.decisions.get(Math.max(...view.decisions.keys()));
  const usual = new Set([view.unnamed, newest].flatMap((one) => (one?.kind === "leaf" ? one.possible : [])));
  const byVerdict = new Map<number, string[]>();
  for (const name of exemptCalls) {
    const refused = view.possible(name).find((verdict) => view.isDenial(verdict) && !usual.has(verdict));
    if (refused !== undefined) byVerdict.set(refused, [...(byVerdict.get(refused) ?? []), name]);
  }
  return [...byVerdict].map(([verdict, names]) =>
    diagnostic(
      "P0509",
      `${names.join(" and ")}: the kernel makes ${names.length === 1 ? "this call" : "these calls"} without running a filter, so this verdict has no effect (uretprobe from Linux 6.14 and in the stable series before it, uprobe from 6.18)`,
      {
        span: view.span(verdict),
        help: "leave the call out: only the trampoline of a tracer's uprobe can make it",
      },
    ),
  );
}
