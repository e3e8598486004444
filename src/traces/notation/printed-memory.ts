/** The memory of a recorded call, as people read it: what `written-memory.ts` reads as the same. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { quoteBytes } from "../../abi/byte-text.ts";
import { errnoName } from "../../abi/errno.ts";
import { pointeeOf } from "../../abi/pointees.ts";
import { decodeStructure, fieldsOf, readField } from "../../abi/structure-text.ts";
import type { GivenMemory } from "../../engines/simulate/given-memory.ts";
import { addressText, messageText } from "../../events/recorded-memory.ts";
import { readSocketAddress } from "../../ir/observe.ts";

/** Undefined where nothing is known of it. */
export function printMemory(
  architecture: ArchitectureName,
  call: string,
  name: string,
  memory: GivenMemory,
): string | undefined {
  switch (memory.is) {
    case "unknown":
      return undefined;
    case "absent":
      return "NULL";
    case "failed":
      return errnoName(memory.errno) ?? String(memory.errno);
    case "text":
      return `${quoteBytes(memory.bytes, memory.isCut)}${object(memory.resolved)}`;
    case "strings": {
      const entries = memory.entries.map(({ bytes, isCut }) => quoteBytes(bytes, isCut));
      return `[${[...entries, ...(memory.isCut ? ["..."] : [])].join(", ")}]`;
    }
    case "address": {
      const text = addressText(readSocketAddress(memory.bytes));
      if (pointeeOf(call, name)?.is === "message") {
        const whole = messageText(text, memory.controlLength);
        return memory.controlLength === undefined ? `${whole.slice(0, -1)}, ...}` : whole;
      }
      return `${text}${object(memory.resolved)}`;
    }
    case "structure": {
      const pointee = pointeeOf(call, name);
      if (pointee?.is !== "structure") return undefined;
      const fields = fieldsOf(pointee.structure);
      const texts = decodeStructure(architecture, pointee.structure, memory.bytes);
      const known = texts.filter((_, index) => readField(memory.unknown, fields[index]!) === 0n);
      const shown = known.map((field) => `${field.name}=${field.text}`);
      return `{${[...shown, ...(known.length < fields.length ? ["..."] : [])].join(", ")}}`;
    }
  }
}

function object(resolved: string | undefined): string {
  return resolved === undefined ? "" : ` resolved ${quoteBytes(new TextEncoder().encode(resolved))}`;
}
