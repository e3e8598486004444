/** Asks about refused calls one by one, on a terminal. */
import type { Amendment, Proposal } from "../../amend/amendment.ts";
import type { Group } from "../../amend/groups.ts";
import type { Scope } from "../../amend/rules.ts";
import type { Session } from "../../amend/session.ts";
import type { Sources } from "../../diagnostics/render.ts";
import { safeText } from "../../diagnostics/width.ts";
import type { Program } from "../../ir/program.ts";
import { describeGroup, titleOf } from "./show.ts";

export interface Dialogue {
  /** The answer to a question; undefined at the end of input. */
  ask(question: string): Promise<string | undefined>;
  print(text: string): void;
}

export interface Asked {
  readonly groups: readonly Group[];
  readonly session: Session;
  readonly amendment: Amendment;
  readonly program: Program;
  readonly sources: Sources;
}

/** `write`: the decisions are to be written. `editor`: the same, and the policy is then to be opened. */
export type Ending = "write" | "discard" | "editor";

const scopes: readonly (readonly [key: string, scope: Scope, text: string])[] = [
  ["g", "general", "such calls"],
  ["a", "arguments", "these arguments only"],
  ["c", "call", "the call with any arguments"],
];

export async function decide(asked: Asked, dialogue: Dialogue): Promise<Ending> {
  const { groups, session } = asked;
  for (const [index, group] of groups.entries()) {
    if (session.allows(group)) {
      dialogue.print(`${titleOf(group, index + 1, groups.length)}: allowed by a change that you accepted\n\n`);
      continue;
    }
    const answer = await askAbout(group, index, asked, dialogue);
    if (answer === "quit") break;
    if (answer === "editor") return "editor";
    dialogue.print("\n");
  }
  return await confirm(session, dialogue);
}

async function confirm(session: Session, dialogue: Dialogue): Promise<Ending> {
  if (session.isEmpty) return "discard";
  const { accepted, refused } = session;
  const parts = [
    ...(accepted.length > 0 ? [`${accepted.length} change${accepted.length === 1 ? "" : "s"}`] : []),
    ...(refused.length > 0 ? [`${refused.length} refused for ever`] : []),
  ];
  dialogue.print(`${safeText(parts.join(", "))}:\n`);
  dialogue.print(session.patch().split("\n").map(safeText).join("\n"));
  for (;;) {
    const answer = (await dialogue.ask("write these files? (y/n) "))?.trim().toLowerCase();
    if (answer === "y" || answer === "yes") return "write";
    if (answer === undefined || answer === "n" || answer === "no") return "discard";
  }
}

async function askAbout(
  group: Group,
  index: number,
  { groups, session, program, sources }: Asked,
  dialogue: Dialogue,
): Promise<"next" | "quit" | "editor"> {
  const before = session.textWith();
  const offered = offers(group, session);
  const [first] = offered;
  const shown: Proposal = first?.proposal ?? session.propose(group, "general");
  const after = shown.is === "change" ? session.textWith(shown.amended) : undefined;
  const title = titleOf(group, index + 1, groups.length);
  dialogue.print(describeGroup({ group, proposal: shown }, title, program, sources, { before, after }));
  const ways = [
    ...offered.map(({ key, text }, place) => `${key}: allow ${text}${place === 0 ? " (the change above)" : ""}`),
    ...(group.verdict === undefined ? [] : ["r: refuse for ever"]),
    "s: skip",
    "e: editor",
    "q: quit",
  ];
  dialogue.print(`${wrapped(ways)}\n`);
  for (;;) {
    const key = (await dialogue.ask("> "))?.trim();
    if (key === undefined || key === "q") return "quit";
    if (key === "e" && (session.isEmpty || (await confirm(session, dialogue)) === "write")) return "editor";
    if (key === "e") continue;
    if (key === "s" || key === "") return "next";
    const chosen = offered.find((one) => one.key === key);
    let faults: readonly string[] | undefined;
    if (key === "r" && group.verdict !== undefined) {
      const comment = await dialogue.ask("why? (a comment for the case, or nothing) ");
      if (comment === undefined) return "quit";
      faults = session.refuse(group, comment.trim());
    } else if (chosen?.proposal.is === "change") {
      if (chosen !== first && !(await confirmChange(chosen.proposal, session, dialogue))) continue;
      faults = session.accept(chosen.proposal.amended);
    }
    if (faults === undefined) dialogue.print("one of these letters\n");
    else if (faults.length === 0) return "next";
    else for (const fault of faults) dialogue.print(`${safeText(`cannot: ${fault}`)}\n`);
  }
}

interface Offer {
  readonly key: string;
  readonly text: string;
  readonly proposal: Proposal;
}

/** Scopes with different changes. */
function offers(group: Group, session: Session): readonly Offer[] {
  const texts = new Set<string>();
  return scopes.flatMap(([key, scope, text]) => {
    const proposal = session.propose(group, scope);
    if (proposal.is !== "change") return [];
    const after = session.textWith(proposal.amended);
    if (texts.has(after)) return [];
    texts.add(after);
    return [{ key, text, proposal }];
  });
}

/** Shows a change that the description of the group did not have. */
async function confirmChange(proposal: Proposal, session: Session, dialogue: Dialogue): Promise<boolean> {
  if (proposal.is !== "change") return false;
  const { addedLines } = await import("../../amend/diff.ts");
  for (const line of addedLines(session.textWith(), session.textWith(proposal.amended)))
    dialogue.print(`${safeText(`  + ${line.trim()}`)}\n`);
  for (const note of proposal.amended.notes) dialogue.print(`${safeText(`  note: ${note}`)}\n`);
  return (await dialogue.ask("this change? (y/n) "))?.trim().toLowerCase().startsWith("y") === true;
}

/** Entries in lines of at most 80 characters. */
function wrapped(entries: readonly string[]): string {
  const lines: string[] = [];
  for (const entry of entries) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + entry.length + 3 <= 78) lines[lines.length - 1] = `${last} · ${entry}`;
    else lines.push(entry);
  }
  return lines.join("\n");
}
