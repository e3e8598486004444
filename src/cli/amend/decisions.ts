/** Reads a list of decisions: `ID [call|arguments|general|refuse] [# comment]` in each line. */
import { type Answer, answers } from "../../amend/session.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { readInput } from "../input.ts";
import { Failure } from "../verb.ts";

export interface Decided {
  readonly id: string;
  /** Undefined: the change that was shown. */
  readonly answer: Answer | undefined;
  readonly comment: string;
}

/** @throws Failure */
export function readDecisions(file: string, known: ReadonlySet<string>): readonly Decided[] {
  const shown = file === "-" ? "standard input" : file;
  const text = readInput(file);
  const faults: Diagnostic[] = [];
  const decided = text.split(/\r?\n/).flatMap((line, index): Decided[] => {
    const [, words = "", comment = ""] = /^([^#]*)(?:#\s*(.*))?$/.exec(line) ?? [];
    const [id, answer, ...rest] = words.trim().split(/\s+/);
    if (id === undefined || id === "") return [];
    const place = { file: shown, line: index + 1, column: 1, length: line.length };
    const fault = (message: string, help: string) => {
      faults.push(diagnostic("P0907", message, { span: place, help }));
      return [];
    };
    if (!known.has(id))
      return fault(`no group has the id ${JSON.stringify(id)}`, "portcullis amend --list prints the ids");
    const found = answers.find((one) => one === answer);
    if (rest.length > 0 || (answer !== undefined && found === undefined))
      return fault(`${JSON.stringify(words.trim())} is no decision`, `an id, and one of ${answers.join(", ")}`);
    return [{ id, answer: found, comment: comment.trim() }];
  });
  if (faults.length > 0) throw new Failure(faults, new Map([[shown, text]]));
  return decided;
}
