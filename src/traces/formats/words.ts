/** Prints a recorded call for people: memory in place of pointers, and `?` for unknown bits. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import type { CallDescription } from "../../abi/call.ts";
import { registerOf } from "../../abi/calls.ts";
import { type DecodedArgument, decodeArgument, hexadecimal, nameCall, printCall } from "../../abi/decode.ts";
import type { GivenMemories } from "../../engines/simulate/given-memory.ts";
import type { Program } from "../../ir/program.ts";
import { printMemory } from "../notation/printed-memory.ts";
import { type CallEvent, isKnown, unknownWord, type Word } from "../trace.ts";
import { withoutValues } from "./environment.ts";
import { printWord } from "./json.ts";

export function decodeWords(
  architecture: ArchitectureName,
  call: CallDescription | undefined,
  words: readonly Word[],
  memory: GivenMemories = new Map(),
): DecodedArgument[] {
  if (call === undefined) {
    return words.map((word, index) => ({
      name: `arg${index}`,
      text: isKnown(word) ? hexadecimal(word.value) : (printWord(word) ?? "?"),
    }));
  }
  const shownMemory = withoutValues(memory);
  return call.parameters.map((parameter, index) => {
    const behind = shownMemory.get(parameter.name);
    const shown = behind && printMemory(architecture, call.name, parameter.name, behind);
    if (shown !== undefined) return { name: parameter.name, text: shown };
    const word = words[registerOf(call, index, architecture)] ?? unknownWord;
    const used = BigInt.asUintN(parameter.width, -1n);
    const text =
      (word.known & used) === used
        ? decodeArgument(architecture, call, parameter, word.value)
        : (printWord(word) ?? "?");
    return { name: parameter.name, text };
  });
}

export function printTraceCall(event: CallEvent, { architecture }: Pick<Program, "architecture">): string {
  const { name, call } = nameCall(architecture, event.architecture, event.number);
  return printCall(name, decodeWords(architecture, call, event.arguments, event.memory));
}
