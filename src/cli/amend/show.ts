/** Prints groups of refused calls for people and for programs. */
import type { Amended, Amendment, Proposal } from "../../amend/amendment.ts";
import { addedLines } from "../../amend/diff.ts";
import type { Group } from "../../amend/groups.ts";
import { riskOf } from "../../amend/risk.ts";
import type { Scope } from "../../amend/rules.ts";
import type { Sources } from "../../diagnostics/render.ts";
import { safeText } from "../../diagnostics/width.ts";
import { printLocation } from "../../events/describe.ts";
import type { Program } from "../../ir/program.ts";
import { verdictText } from "../../ir/verdicts.ts";

const mostVariants = 4;
const mostChanged = 24;
const column = 10;

export interface Shown {
  readonly group: Group;
  readonly proposal: Proposal;
}

/** What a group is, why it is refused, and the change that allows it. */
export function describeGroup(
  { group, proposal }: Shown,
  title: string,
  program: Program,
  sources: Sources,
  texts: { readonly before: string; readonly after: string | undefined },
): string {
  const lines = [title, ...refusedBy(group, program, sources), ...callsOf(group), ...rows("risk", riskOf(group).text)];
  if (proposal.is === "obstacle") {
    lines.push(...rows("cannot", proposal.why));
    if (proposal.help !== undefined) lines.push(...rows("by hand", proposal.help));
  } else if (texts.after !== undefined) {
    lines.push(...changeOf(texts.before, texts.after));
    for (const note of proposal.amended.notes) lines.push(...rows("note", note));
  }
  return lines.map((line) => `${safeText(line)}\n`).join("");
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(column)}${text}`;
}

/** Sentences, in lines of at most 80 columns where possible. */
function rows(name: string, text: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && column + 2 + last.length + 1 + word.length <= 80)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line, index) => row(index === 0 ? name : "", line));
}

function refusedBy({ verdict, recorded, variants }: Group, { files }: Program, sources: Sources): readonly string[] {
  if (verdict?.at === undefined) {
    const { rule, reason } = variants[0] ?? {};
    const why = [recorded, ...(reason === undefined ? [] : [`(${reason})`])].join(" ");
    return rows("refused", rule === undefined ? why : `${why}, by ${rule}`);
  }
  const reason = verdict.reason === undefined ? "" : ` (${verdict.reason})`;
  const source =
    sources
      .get(files[verdict.at.file] ?? "")
      ?.split("\n")
      [verdict.at.line - 1]?.trim() ?? "";
  const place = printLocation(files, verdict.at);
  return [
    ...rows("refused", `${verdictText(verdict)}${reason}, by ${place}`),
    ...(source === "" ? [] : [row("", `| ${source}`)]),
  ];
}

function callsOf({ count, commands, first, last, phases, variants, isOpen }: Group): readonly string[] {
  const who = commands.length === 0 ? "" : ` by ${commands.join(", ")}`;
  const when =
    first === undefined || last === undefined ? "" : `, ${clock(first)}${last > first ? ` to ${clock(last)}` : ""}`;
  const names = Object.entries(phases).map(([name, phase]) => `${name} ${phase}`);
  const where = names.length === 0 ? "" : `, in ${names.join(", ")}`;
  const shown = [...variants].sort((a, b) => b.count - a.count).slice(0, mostVariants);
  const more = variants.length - shown.length;
  return [
    ...rows("calls", `${count.toLocaleString("en-US")}${who}${when}${where}`),
    ...shown.map((one) =>
      row(
        "",
        `${one.count > 1 ? `${one.count} × ` : ""}${one.object?.path === undefined ? one.text : `${one.text}: ${JSON.stringify(one.object.path)}`}`,
      ),
    ),
    ...(more > 0 ? [row("", `and ${more}${isOpen ? " or more" : ""} with other arguments`)] : []),
  ];
}

function changeOf(before: string, after: string): readonly string[] {
  const added = addedLines(before, after);
  const shown = added
    .slice(0, mostChanged)
    .map((line, index) => row(index === 0 ? "change" : "", `+ ${line.trimEnd()}`));
  return added.length > mostChanged ? [...shown, row("", `and ${added.length - mostChanged} lines more`)] : shown;
}

/** In local time, as `run` prints it. */
function clock(seconds: number): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return "?";
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function titleOf(group: Group, ordinal: number, all: number): string {
  return `${ordinal} of ${all}  ${group.id}  ${group.call}`;
}

/** An object of the output of --json. */
export function groupJson({ group, proposal }: Shown, program: Program, amendment: Amendment): object {
  const { verdict, variants, id, call, phases, recorded, commands, count, first, last } = group;
  const risk = riskOf(group);
  return {
    ...({ v: 1, kind: "group" } as const),
    ...{ id, call, count, verdict: recorded, commands, first, last },
    rule: verdict?.at === undefined ? variants[0]?.rule : printLocation(program.files, verdict.at),
    reason: verdict?.reason ?? variants[0]?.reason,
    phases: Object.keys(phases).length === 0 ? undefined : phases,
    calls: variants.map((one) => ({ call: one.text, count: one.count })),
    risk: risk.text,
    sensitive: risk.isSensitive,
    ...(proposal.is === "obstacle"
      ? { amendable: false, why: proposal.why, help: proposal.help }
      : {
          amendable: true,
          answer: proposal.amended.scope,
          change: addedLines(amendment.textWith([]), amendment.textWith([proposal.amended])),
          notes: proposal.amended.notes,
        }),
  };
}

/** The widest scope that still names arguments: to allow a call with any arguments is a person's decision. */
export function bestProposal(amendment: Amendment, group: Group, accepted: readonly Amended[]): Proposal {
  let first: Proposal | undefined;
  for (const scope of ["general", "arguments"] as const satisfies readonly Scope[]) {
    const proposal = amendment.propose(group, scope, accepted);
    if (proposal.is === "change") return proposal;
    first ??= proposal;
  }
  return first!;
}
