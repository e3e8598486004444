/** Texts for verdicts, locations and reasons. */

import type { CircumstanceInput } from "../../ir/inputs.ts";
import type { Location } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import { feignsSuccess, returnsZero, verdictText } from "../../ir/verdicts.ts";
import type { StatefulReason } from "../decision.ts";
import type { PlacedVerdict } from "./explanation.ts";

export function placedVerdict(program: Program, index: number): PlacedVerdict {
  const verdict = program.verdicts[index]!;
  const { reason, at } = verdict;
  return {
    verdict: verdictText(verdict),
    ...(feignsSuccess(verdict) ? { does: returnsZero } : {}),
    ...(reason === undefined ? {} : { reason }),
    ...(at === undefined ? {} : { at: placeText(program, at) }),
  };
}

/** The location of a declaration or verdict; the file by its base name, if that is unique in the policy. */
export function placeText(program: Program, at: Location): string {
  const file = program.files[at.file] ?? "?";
  const base = file.slice(file.lastIndexOf("/") + 1);
  const alone = program.files.every((other, index) => index === at.file || !`/${other}`.endsWith(`/${base}`));
  return `${alone ? base : file}:${at.line}:${at.column}`;
}

/** The names in the language. */
const circumstanceNames: { readonly [I in CircumstanceInput]: string } = {
  now: "now()",
  alive: "tree.alive()",
  pid: "caller.pid",
  tid: "caller.tid",
  uid: "caller.uid",
  gid: "caller.gid",
};

/** The member of a case that has a reason. */
export type ReasonPart = "reads" | "changes" | "enters" | "reports" | "because";

export function describeReason(
  program: Program,
  reason: StatefulReason,
): { readonly part: ReasonPart; readonly text: string } {
  switch (reason.because) {
    case "reads-state":
      return { part: "reads", text: cellLabel(program, reason.cell) };
    case "reads-table":
      return { part: "reads", text: program.tables[reason.table]!.name };
    case "reads-input":
      return { part: "reads", text: circumstanceNames[reason.input] };
    case "reads-parameter":
      return { part: "reads", text: program.parameters[reason.parameter]!.name };
    case "reads-memory":
      return { part: "reads", text: `args.${program.observations[reason.observation]!.name}` };
    case "changes-state":
      return { part: "changes", text: cellLabel(program, reason.cell) };
    case "changes-table":
      return { part: "changes", text: program.tables[reason.table]!.name };
    case "enters-room": {
      const { name, sides } = program.rooms[reason.room]!;
      return { part: "enters", text: `${name}.${sides[reason.side]}` };
    }
    case "reports":
      return { part: "reports", text: program.reports[reason.report]!.text };
    case "asks":
      return { part: "because", text: "a person is asked" };
    case "process-creation":
      return { part: "because", text: "new processes are supervised" };
    case "execution":
      return { part: "because", text: "executions are supervised" };
    case "restriction":
      return { part: "because", text: "Landlock domains are supervised" };
    case "rights":
      return { part: "because", text: "changes of users, roots and namespaces are supervised" };
    case "not-expressible":
      return { part: "because", text: "no classic filter can test it" };
    case "too-complex":
      return { part: "because", text: "too many conditions" };
  }
}

/** A rate is two cells, `own.level` and `own.last`; its label is `own`. */
export function cellLabel(program: Program, cell: number): string {
  return rateOf(program, cell) ?? program.cells[cell]!.name;
}

/** The name of the rate that the cell belongs to. */
export function rateOf(program: Program, cell: number): string | undefined {
  const rate = /^(.+)\.(?:level|last)$/.exec(program.cells[cell]!.name)?.[1];
  const isWhole = ["level", "last"].every((part) => program.cells.some(({ name }) => name === `${rate}.${part}`));
  return isWhole ? rate : undefined;
}
