/**
 * A filter as text that people can read and `assemble` can read back: `assemble(disassemble(x))` is x, whatever x is.
 *
 *       0: ld [arch]
 *       1: jeq #0xc000003e, 2, 9
 *     ; nginx.ts:29:7 execve, execveat: deny EACCES
 *       9: ret ERRNO(13)
 *
 * Jumps name the lines they lead to, first where the test holds. What follows a semicolon is a comment.
 */
import { splitReturnWord } from "../../linux/return-word.ts";
import { type ClassicInstruction, offset, opcode, seccompDataSize } from "./instruction.ts";

/** What to say beside the instructions; by index. */
export interface Annotations {
  /** Lines of their own, before the instruction. */
  before?(index: number): readonly string[];
  /** A word behind the instruction. */
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

/** A comment ends with its line. */
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

/** `ret` and its data, as `ERRNO(13)`; a word that no action has as a number. */
function returnName(word: number): string {
  const { action, data } = splitReturnWord(word);
  if (action === undefined) return hexadecimal(word);
  return data === 0 ? action : `${action}(${data})`;
}

/** What the bytes at this offset of `struct seccomp_data` are; the offset itself where it is none of its words. */
export function wordName(at: number): string {
  if (at === offset.number) return "nr";
  if (at === offset.architecture) return "arch";
  if (at % 4 !== 0 || at >= seccompDataSize) return String(at);
  const half = at % 8 === 0 ? "low" : "high";
  if (at < offset.arguments) return `ip.${half}`;
  return `args[${(at - offset.arguments) >> 3}].${half}`;
}
