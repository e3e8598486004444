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

/** As the language writes them. */
const circumstanceNames: { readonly [I in CircumstanceInput]: string } = {
  now: "now()",
  alive: "tree.alive()",
  pid: "caller.pid",
  tid: "caller.tid",
  uid: "caller.uid",
  gid: "caller.gid",
};

export function readName(program: Program, reason: StatefulReason): string | undefined {
  switch (reason.because) {
    case "reads-state":
      return cellLabel(program, reason.cell);
    case "reads-table":
      return program.tables[reason.table]!.name;
    case "reads-input":
      return circumstanceNames[reason.input];
    case "reads-parameter":
      return program.parameters[reason.parameter]!.name;
    case "reads-memory":
      return `args.${program.observations[reason.observation]!.name}`;
    default:
      return undefined;
  }
}

export function changeName(program: Program, reason: StatefulReason): string | undefined {
  if (reason.because === "changes-state") return cellLabel(program, reason.cell);
  if (reason.because === "changes-table") return program.tables[reason.table]!.name;
  return undefined;
}

/** "mapping.write" */
export function enteredName({ rooms }: Program, reason: StatefulReason): string | undefined {
  if (reason.because !== "enters-room") return undefined;
  const { name, sides } = rooms[reason.room]!;
  return `${name}.${sides[reason.side]}`;
}

export function becauseText(reason: StatefulReason): string | undefined {
  switch (reason.because) {
    case "process-creation":
      return "new processes are supervised";
    case "execution":
      return "executions are supervised";
    case "restriction":
      return "Landlock domains are supervised";
    case "rights":
      return "changes of users, roots and namespaces are supervised";
    case "not-expressible":
      return "no classic filter can test it";
    case "too-complex":
      return "too many conditions";
    default:
      return undefined;
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
