/** Properties of a policy that its author should know, although they are not errors. */
import type { Program } from "../../ir/program.ts";
import { type Action, passes } from "../../ir/verdicts.ts";
import type { DecisionLeaf, SplitPolicy } from "../decision.ts";
import type { Warning } from "./explanation.ts";
import { hotCalls } from "./hot-calls.ts";
import { callName } from "./names.ts";
import { leavesOf } from "./paths.ts";
import { cellLabel, rateOf } from "./texts.ts";

const killing: ReadonlySet<Action> = new Set(["kill-process", "kill-thread"]);

export function findWarnings(program: Program, split: SplitPolicy): Warning[] {
  const leaves = new Map([...split].map(([number, decision]) => [number, leavesOf(decision)] as const));
  const callsWith = (wanted: (leaf: DecisionLeaf) => boolean): string[] =>
    [...leaves]
      .filter(([, each]) => each.some(wanted))
      .map(([number]) => callName(program.architecture, number))
      .sort();
  const warnings: Warning[] = [];
  const warn = (kind: Warning["kind"], calls: readonly string[], text: string) => {
    if (calls.length > 0) warnings.push({ kind, text, calls });
  };
  const has = (leaf: DecisionLeaf, because: string) => leaf.stateful.some((reason) => reason.because === because);
  const may = (leaf: DecisionLeaf, action: "trap" | "kill-thread") =>
    leaf.stateful.length > 0 && leaf.possible.some((verdict) => program.verdicts[verdict]!.action === action);
  const stateful = callsWith((leaf) => leaf.stateful.length > 0);

  warn(
    "hot-call",
    stateful.filter((name) => hotCalls.has(name)),
    "called often and stateful; on notify each such call costs a few microseconds",
  );
  for (const [index, cell] of program.cells.entries()) {
    const isLimit =
      cell.kind.is === "counter" || (rateOf(program, index) !== undefined && cell.name.endsWith(".level"));
    if (!isLimit || cell.scope === "tree" || cell.onFork !== "copy") continue;
    // A counter is a limit if a refusal depends on it.
    const limited = callsWith(
      (leaf) =>
        leaf.stateful.some((reason) => reason.because === "reads-state" && reason.cell === index) &&
        leaf.possible.some((verdict) => !passes(program.verdicts[verdict]!)),
    );
    warn(
      "copied-limit",
      limited,
      `${cellLabel(program, index)} limits per ${cell.scope} and is copied at a fork: each child has as much left as its parent; count in perTree for a bound on the tree`,
    );
  }
  warn(
    "process-creation",
    callsWith((leaf) => leaf.stateful.length > 0 && leaf.stateful.every((r) => r.because === "process-creation")),
    "needs no state for its verdict, but the supervisor must see every new process",
  );
  warn(
    "execution",
    callsWith((leaf) => leaf.stateful.length > 0 && leaf.stateful.every((r) => r.because === "execution")),
    "needs no state for its verdict, but the supervisor must see which thread executes a program",
  );
  warn(
    "kill-thread",
    callsWith((leaf) => may(leaf, "kill-thread")),
    "kill thread by state becomes kill process on notify",
  );
  warn(
    "static-kill",
    callsWith((leaf) => leaf.stateful.length === 0 && killing.has(program.verdicts[leaf.weakest]!.action)),
    "on notify the kernel kills: status 159, and no event with the call; with run --kill-events the supervisor kills: status 137, an event, some microseconds more, and a denial instead if the supervisor is gone",
  );
  warn(
    "stateful-trap",
    callsWith((leaf) => may(leaf, "trap")),
    "trap by state: notify refuses to start with this policy",
  );
  warn(
    "not-expressible",
    callsWith((leaf) => has(leaf, "not-expressible")),
    "a condition on arguments that no classic filter can test is left to the stateful part",
  );
  warn(
    "too-complex",
    callsWith((leaf) => has(leaf, "too-complex")),
    "too many conditions for the split: the stateful part decides, and the kernel enforces only the weakest verdict",
  );
  warn(
    "interrupted",
    stateful,
    "supervised on notify; a signal whose handler lacks SA_RESTART can make such a call fail with EINTR before it is judged",
  );
  const ownScope = new Set<string>(["thread", "process"]);
  warn(
    "one-user",
    callsWith((leaf) =>
      leaf.stateful.some(
        (reason) =>
          (reason.because === "reads-state" && ownScope.has(program.cells[reason.cell]!.scope)) ||
          (reason.because === "reads-table" && ownScope.has(program.tables[reason.table]!.scope)),
      ),
    ),
    "decided by state per process or thread, which does not separate processes of one user: one can write into another's memory and act with the other's state (docs/engines.md, One user)",
  );
  return warnings;
}
