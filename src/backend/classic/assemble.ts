/**
 * Reads the text that `disassemble` writes, or that people write by hand in that form: a label may be a name, and an
 * instruction need not have one.
 *
 *     ld [nr]
 *     jeq #59, refuse, pass     ; execve
 *     refuse: ret ERRNO(13)
 *     pass:   ret ALLOW
 *
 * `ld [nr|arch|ip.low|ip.high|args[N].low|args[N].high|OFFSET]` · `and #K` · `jeq|jgt|jge|jset #K, LABEL, LABEL` ·
 * `ja LABEL` · `ret ALLOW|LOG|ERRNO(N)|TRAP|TRACE(N)|USER_NOTIF|KILL_THREAD|KILL_PROCESS|#K` · `raw CODE, JT, JF, #K`.
 * Numbers are decimal or 0x. Faults are collected.
 */

import { type ReturnAction, returnAction, returnWord } from "../../abi/return-word.ts";
import { seccompDataSize } from "../../abi/seccomp-data.ts";
import { wordName } from "./disassemble.ts";
import { type ClassicInstruction, maximumInstructions, maximumJump, opcode } from "./instruction.ts";

export interface AssemblyFault {
  /** From 1, in UTF-16 units. */
  readonly line: number;
  readonly column: number;
  readonly length: number;
  readonly message: string;
}

export interface Assembly {
  /** The readable instructions; complete only if there is no fault. */
  readonly instructions: readonly ClassicInstruction[];
  readonly faults: readonly AssemblyFault[];
}

export function assemble(text: string): Assembly {
  const reader = new Reader();
  text.split("\n").forEach((line, index) => {
    reader.readLine(line, index + 1);
  });
  return reader.finish();
}

/** A word of a line and its location. */
interface Word {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

type Unresolved = (index: number) => ClassicInstruction;

const jumpCodes = new Map<string, number>([
  ["jeq", opcode.jumpEqual],
  ["jgt", opcode.jumpGreater],
  ["jge", opcode.jumpAtLeast],
  ["jset", opcode.jumpAnyBit],
]);

const offsetsByName = new Map(
  Array.from({ length: seccompDataSize / 4 }, (_, word) => [wordName(word * 4), word * 4] as const),
);

class Reader {
  readonly #lines: Unresolved[] = [];
  readonly #labels = new Map<string, number>();
  readonly #faults: AssemblyFault[] = [];

  readLine(line: string, lineNumber: number): void {
    const code = line.split(";", 1)[0]!;
    const shape = /^(\s*(?:([A-Za-z_0-9][\w.-]*)\s*:)?\s*)(?:(\S+)(\s*)(.*?))?\s*$/.exec(code);
    if (shape === null) {
      const column = code.length - code.trimStart().length + 1;
      this.#fault({ text: code.trim(), line: lineNumber, column }, "this is not an instruction");
      return;
    }
    const [, before = "", label, mnemonic, space = "", rest = ""] = shape;
    if (label !== undefined) {
      const at = { text: label, line: lineNumber, column: line.indexOf(label) + 1 };
      if (this.#labels.has(label)) this.#fault(at, `the label ${label} is defined twice`);
      this.#labels.set(label, this.#lines.length);
    }
    if (mnemonic === undefined) return;
    const name: Word = { text: mnemonic, line: lineNumber, column: before.length + 1 };
    const operands = splitOperands(rest, lineNumber, before.length + mnemonic.length + space.length + 1);
    this.#lines.push(this.#instruction(name, operands));
  }

  finish(): Assembly {
    const instructions = this.#lines.map((resolve, index) => resolve(index));
    if (instructions.length > maximumInstructions) {
      const message = `${instructions.length} instructions; the kernel takes at most ${maximumInstructions}`;
      this.#fault({ text: "", line: 1, column: 1 }, message);
    }
    return { instructions, faults: this.#faults.sort((a, b) => a.line - b.line || a.column - b.column) };
  }

  #instruction(name: Word, operands: readonly Word[]): Unresolved {
    const jump = jumpCodes.get(name.text);
    if (jump !== undefined) return this.#jump(jump, name, operands);
    switch (name.text) {
      case "ld":
        return this.#plain(opcode.load, name, operands, (word) => this.#offset(word));
      case "and":
        return this.#plain(opcode.and, name, operands, (word) => this.#number(word, 2 ** 32));
      case "ret":
        return this.#plain(opcode.return, name, operands, (word) => this.#returnWord(word));
      case "ja": {
        const [target] = this.#exactly(1, name, operands);
        return (index) => ({ code: opcode.jumpAlways, jt: 0, jf: 0, k: this.#distance(target, index, 2 ** 32 - 1) });
      }
      case "raw": {
        const [code, jt, jf, k] = this.#exactly(4, name, operands);
        const instruction = {
          code: this.#number(code, 2 ** 16),
          jt: this.#number(jt, 2 ** 8),
          jf: this.#number(jf, 2 ** 8),
          k: this.#number(k, 2 ** 32),
        };
        return () => instruction;
      }
    }
    this.#fault(
      name,
      `no instruction is called "${name.text}"; there are ld, and, jeq, jgt, jge, jset, ja, ret and raw`,
    );
    return () => ({ code: 0, jt: 0, jf: 0, k: 0 });
  }

  #jump(code: number, name: Word, operands: readonly Word[]): Unresolved {
    const [value, then, otherwise] = this.#exactly(3, name, operands);
    const k = this.#number(value, 2 ** 32);
    return (index) => ({
      code,
      jt: this.#distance(then, index, maximumJump),
      jf: this.#distance(otherwise, index, maximumJump),
      k,
    });
  }

  #plain(code: number, name: Word, operands: readonly Word[], read: (word: Word) => number): Unresolved {
    const [operand] = this.#exactly(1, name, operands);
    const k = operand === undefined ? 0 : read(operand);
    return () => ({ code, jt: 0, jf: 0, k });
  }

  #exactly(count: number, name: Word, operands: readonly Word[]): readonly (Word | undefined)[] {
    if (operands.length === count) return operands;
    this.#fault(name, `${name.text} takes ${count} operand${count === 1 ? "" : "s"}, here are ${operands.length}`);
    return [];
  }

  #number(word: Word | undefined, end: number): number {
    if (word === undefined) return 0;
    const digits = word.text.replace(/^#/, "");
    const value = /^(?:0x[0-9a-f]+|\d+)$/i.test(digits) ? Number(digits) : Number.NaN;
    if (value < end) return value;
    this.#fault(word, `${word.text} is not a number from 0 to ${end - 1}`);
    return 0;
  }

  #offset(word: Word): number {
    const name = /^\[(.*)\]$/.exec(word.text)?.[1]?.trim();
    if (name === undefined) {
      this.#fault(word, "what to load is written in brackets: ld [nr]");
      return 0;
    }
    const known = offsetsByName.get(name);
    if (known !== undefined) return known;
    if (/^\d/.test(name)) return this.#number({ ...word, text: name }, 2 ** 32);
    this.#fault(word, `${name} is not a word of struct seccomp_data: nr, arch, ip.low, args[0].high, or an offset`);
    return 0;
  }

  #returnWord(word: Word): number {
    if (word.text.startsWith("#")) return this.#number(word, 2 ** 32);
    const shape = /^(\w+)(?:\((\w+)\))?$/.exec(word.text);
    const action = shape?.[1];
    if (action === undefined || !Object.hasOwn(returnAction, action)) {
      this.#fault(word, `${word.text} is not an action; there are ${Object.keys(returnAction).join(", ")}`);
      return 0;
    }
    const data = shape?.[2] === undefined ? 0 : this.#number({ ...word, text: shape[2] }, 2 ** 16);
    return returnWord(action as ReturnAction, data);
  }

  #distance(label: Word | undefined, index: number, most: number): number {
    if (label === undefined) return 0;
    // The disassembler numbers its lines; a jump out of the filter has no such line.
    const place = this.#labels.get(label.text) ?? (/^\d+$/.test(label.text) ? Number(label.text) : undefined);
    if (place === undefined) {
      this.#fault(label, `there is no label ${label.text}`);
      return 0;
    }
    const distance = place - index - 1;
    if (distance < 0) this.#fault(label, "jumps must go forward");
    else if (distance > most) {
      this.#fault(label, `${distance} instructions ahead, and this jump reaches ${most}: use ja in between`);
    } else return distance;
    return 0;
  }

  #fault(at: Word, message: string): void {
    this.#faults.push({ line: at.line, column: at.column, length: Math.max(1, at.text.length), message });
  }
}

function splitOperands(text: string, line: number, column: number): Word[] {
  if (text.trim() === "") return [];
  const words: Word[] = [];
  let at = 0;
  for (const part of text.split(",")) {
    const lead = part.length - part.trimStart().length;
    words.push({ text: part.trim(), line, column: column + at + lead });
    at += part.length + 1;
  }
  return words;
}
