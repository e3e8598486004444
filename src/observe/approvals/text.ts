/** Questions as lines for people. */
import { printCall } from "../../abi/decode.ts";
import type { QuestionLine } from "./protocol.ts";

/** "4242.1": the process of portcullis and the number of the question. */
export function questionName(pid: number, question: number): string {
  return `${pid}.${question}`;
}

/** `bash[4250]: execve("/usr/bin/git", …): it pushes, by policy.ts:3:4`. Not safe for a terminal. */
export function aboutText(line: QuestionLine): string {
  if ("host" in line) return `a connection to ${line.host}:${line.port}: ${line.reason}, by ${line.rule}`;
  const { command, pid, call, arguments: shown, reason, rule } = line;
  const because = reason === undefined ? "" : `: ${reason}`;
  const by = rule === undefined ? "" : `, by ${rule}`;
  return `${command === "" ? "?" : command}[${pid}]: ${printCall(call, shown)}${because}${by}`;
}

/** The notice about a new question of this run. */
export function questionText(line: QuestionLine, pid: number): string {
  const name = questionName(pid, line.question);
  return `question ${name}: ${aboutText(line)}; portcullis approvals allow ${name}, or deny`;
}
