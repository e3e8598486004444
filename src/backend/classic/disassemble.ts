/**
 * Prints a filter as text that `assemble` reads back: `assemble(disassemble(x))` is x for every x.
 *
 *      0: ld [arch]
 *      1: jeq #0xc000003e, 2, 9     ; nginx.ts:29:7 execve, execveat: deny EACCES
 *      9: ret ERRNO(13)
 *
 * A jump names its target lines, first the one for a true test. A semicolon begins a comment.
 */

import { splitReturnWord } from "../../abi/return-word.ts";
import { seccompDataSize } from "../../abi/seccomp-data.ts";
import { type ClassicInstruction, offset, opcode } from "./instruction.ts";

/** Comments on the instructions, by index. */
export interface Annotations {
  /** Comment lines before the instruction. */
  before?(index: number): readonly string[];
  /** A comment after the instruction. */
  beside?(index: number): string | undefined;
}

export function disassemble(instructions: readonly ClassicInstruction[], annotations: Annotations = {}): string {
  const width = Math.max(3, String(instructions.length - 1).length);
  const lines: string[] = [];
  instructions.forEach((instruction, index) => {
    for (const comment of annotations.before?.(index) ?? []) lines.push(`; ${oneLine(comment)}`);
    const text = `${String(index).padStart(width)}: ${disassembleOne(instruction, index)}`;
    const beside = annotations.beside?.(index);
    lines.push(beside === undefined ? text : `${text.padEnd(width + 34)} ; ${oneLine(beside)}`);
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** A comment must not contain a line break. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n\u2028\u2029]+/g, " ");
}

const jumpNames = new Map<number, string>([
  [opcode.jumpEqual, "jeq"],
  [opcode.jumpGreater, "jgt"],
  [opcode.jumpAtLeast, "jge"],
  [opcode.jumpAnyBit, "jset"],
]);

function disassembleOne(instruction: ClassicInstruction, index: number): string {
  const { code, jt, jf, k } = instruction;
  const jump = jumpNames.get(code);
  if (jump !== undefined) return `${jump} ${hexadecimal(k)}, ${index + 1 + jt}, ${index + 1 + jf}`;
  if (jt === 0 && jf === 0) {
    if (code === opcode.load) return `ld [${wordName(k)}]`;
    if (code === opcode.and) return `and ${hexadecimal(k)}`;
    if (code === opcode.jumpAlways) return `ja ${index + 1 + k}`;
    if (code === opcode.return) return `ret ${returnName(k)}`;
  }
  return `raw ${code}, ${jt}, ${jf}, ${hexadecimal(k)}`;
}

function hexadecimal(value: number): string {
  return `#0x${value.toString(16)}`;
}

/** `ret` with its data, as `ERRNO(13)`; a number if the word has no action. */
function returnName(word: number): string {
  const { action, data } = splitReturnWord(word);
  if (action === undefined) return hexadecimal(word);
  return data === 0 ? action : `${action}(${data})`;
}

/** The name of the word at this offset of `struct seccomp_data`; the offset itself if there is none. */
export function wordName(at: number): string {
  if (at === offset.number) return "nr";
  if (at === offset.architecture) return "arch";
  if (at % 4 !== 0 || at >= seccompDataSize) return String(at);
  const half = at % 8 === 0 ? "low" : "high";
  if (at < offset.arguments) return `ip.${half}`;
  return `args[${(at - offset.arguments) >> 3}].${half}`;
}
