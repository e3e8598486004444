/** A recorded call with any memory, printed as a case, reads back with the same memory. */
import fc from "fast-check";
import { expect } from "vitest";
import { auditArchitecture } from "../../abi/architecture.ts";
import { allCalls, registerOf } from "../../abi/calls.ts";
import { environmentArgument } from "../../abi/environment.ts";
import { type Pointee, pointeeOf, structures } from "../../abi/pointees.ts";
import { socketFamily } from "../../abi/socket-address.ts";
import { readCases } from "../../cases/cases.ts";
import type { GivenMemory } from "../../engines/simulate/given-memory.ts";
import { readSocketAddress } from "../../ir/observe.ts";
import { property } from "../../ir/testing/property.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { type CallEvent, unknownWord } from "../trace.ts";
import { printTraceCall } from "./words.ts";

const architecture = "x86_64";

/** Every pointer whose memory is recorded, except an environment, whose values are not printed. */
const pointers = allCalls.flatMap((call) => {
  const number = call.number[architecture];
  return call.parameters.flatMap((parameter, index) => {
    const pointee = parameter.kind.is === "pointer" ? pointeeOf(call.name, parameter.name) : undefined;
    if (number === undefined || pointee === undefined || parameter.name === environmentArgument) return [];
    return [{ call, number, name: parameter.name, pointee, register: registerOf(call, index, architecture) }];
  });
});

/** Words of the syntax of cases, of traces and of strace, between any bytes. */
const meaningful = [
  ...[
    "#",
    "# x",
    '"',
    '" resolved "/x"',
    " resolved ",
    "\\",
    "@",
    "×",
    " x 3",
    ", ",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "=",
    "...",
  ],
  ...[
    "…",
    "<",
    "1<",
    "<unfinished ...>",
    ">",
    "/*",
    "*/",
    "\n",
    "\r",
    "\t",
    "\u2028",
    "\u202e",
    "\ufeff",
    "NULL",
    "0",
    "'",
    "`",
  ],
  ...[
    "unix:",
    "abstract:",
    "none",
    "msg_name=",
    "msg_controllen=1",
    "é",
    "\u0301",
    " ",
    "\u00a0",
    ";",
    "|",
    "+",
    "%",
    ":",
    ",",
  ],
].map((text) => new TextEncoder().encode(text));
const bytes = (maximum: number) =>
  fc
    .array(fc.oneof(fc.uint8Array({ maxLength: 4 }), fc.constantFrom(...meaningful)), { maxLength: 8 })
    .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part]).slice(0, maximum)));
/** As the kernel copies it: up to the first NUL. */
const string = bytes(200).map((all) => all.filter((byte) => byte !== 0));

const addresses = fc.oneof(
  bytes(108).map((path) => Uint8Array.of(socketFamily.unix, 0, ...path)),
  fc
    .tuple(fc.constantFrom(...Object.values(socketFamily), 17), fc.uint8Array({ minLength: 26, maxLength: 26 }))
    .map(([family, rest]) => Uint8Array.of(family & 0xff, family >> 8, ...rest)),
);
const resolved = fc.option(string, { nil: undefined }).map((path) => {
  // Paths of recordings are texts.
  return path === undefined ? {} : { resolved: `/${new TextDecoder().decode(path)}` };
});

function memoryOf(pointee: Pointee): fc.Arbitrary<GivenMemory> {
  const text = fc.record({ bytes: string, isCut: fc.boolean() });
  switch (pointee.is) {
    case "path":
      return fc.tuple(text, resolved).map(([given, object]) => ({ is: "text", ...given, ...object }));
    case "string":
      return text.map((given) => ({ is: "text", ...given }));
    case "strings":
      return fc.record({ is: fc.constant("strings"), entries: fc.array(text, { maxLength: 4 }), isCut: fc.boolean() });
    case "address":
      return fc.tuple(addresses, resolved).map(([given, object]) => ({ is: "address", bytes: given, ...object }));
    case "message":
      return fc
        .tuple(addresses, fc.option(fc.bigInt(0n, (1n << 64n) - 1n), { nil: undefined }))
        .map(([given, controlLength]) => ({ is: "address", bytes: given, controlLength }));
    case "structure": {
      const { size } = structures[pointee.structure];
      return fc
        .uint8Array({ minLength: size, maxLength: size })
        .map((given) => ({ is: "structure", bytes: given, unknown: new Uint8Array(size) }));
    }
  }
}

/** What a policy can read of the memory. */
function readable(memory: GivenMemory | undefined): unknown {
  if (memory?.is === "address") {
    const { kind, family, port, address, name } = readSocketAddress(memory.bytes);
    return { ...memory, bytes: undefined, kind, family, port, address, name: Buffer.from(name).toString("hex") };
  }
  return memory?.is === "structure" ? { is: memory.is, unknown: memory.unknown } : memory;
}

const kinds = ["path", "string", "strings", "address", "message", "structure"] as const;
const calls = fc
  .constantFrom(...kinds)
  .chain((is) => fc.constantFrom(...pointers.filter(({ pointee }) => pointee.is === is)))
  .chain((pointer) => memoryOf(pointer.pointee).map((memory) => ({ ...pointer, memory })));

property([calls], { numRuns: casesOf(2000) })("is the same", ({ number, name, memory, register }) => {
  const event: CallEvent = {
    kind: "call",
    tid: 1,
    time: undefined,
    architecture: auditArchitecture[architecture],
    number,
    arguments: Array.from({ length: 6 }, (_, index) => ({ value: index === register ? 0x1000n : 0n, known: ~0n })),
    instructionPointer: unknownWord,
    memory: new Map([[name, memory]]),
    place: { line: 1, column: 1, length: 1 },
  } as never;
  const line = `main ${printTraceCall(event, { architecture })}  allow`;
  const { cases, diagnostics } = readCases(`${line}\n`, "t.cases", architecture);
  expect(diagnostics, line).toEqual([]);
  const [step] = cases!.steps;
  if (step?.kind !== "call") throw new Error("no call");
  expect(readable(step.memory.get(name)), line).toEqual(readable(memory));
});
