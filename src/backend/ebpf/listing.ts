/**
 * Prints a program for people: its parts under headings, and beside each instruction its location in the policy.
 *
 *     ; execve
 *      12: r2 = *(u64 *)(r1 + 16)               ; policies/exec-once.ts:5:3
 */
import type { ArchitectureName } from "../../abi/architecture.ts";
import { callByNumber } from "../../abi/calls.ts";
import type { EbpfProgram, Part } from "./compile.ts";
import { disassemble } from "./instructions/disassemble.ts";

const column = 48;

export function listing(
  object: EbpfProgram,
  policy: { readonly files: readonly string[]; readonly architecture: ArchitectureName },
): string {
  const headings = new Map(object.parts.map((part) => [part.start, heading(part, policy.architecture)]));
  const lines = disassemble(object.instructions).flatMap((text, index) => {
    const title = headings.get(index);
    const at = object.locations[index];
    const line = at === undefined ? text : `${text.padEnd(column)} ; ${policy.files[at.file]}:${at.line}:${at.column}`;
    return title === undefined ? [line] : [`; ${title}`, line];
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** A short description of a part; for a body, its calls. */
export function heading(part: Part, architecture: ArchitectureName): string {
  switch (part.is) {
    case "dispatch":
      return "decisions without state";
    case "body":
      return part.numbers.map((number) => callByNumber(architecture, number)?.name ?? String(number)).join(", ");
    case "epilogue":
      return "recorded verdicts";
    case "returns":
      return "verdicts of several parts";
    case "operation": {
      const { does, shape } = part.operation;
      return `${does} in a table for ${shape.capacity} (${shape.form})`;
    }
  }
}
