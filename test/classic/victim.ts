/** Makes calls on the running kernel under a filter, by victim.c. */
import { spawnSync } from "node:child_process";
import { endianness } from "node:os";
import { type ClassicInstruction, encodeInstructions } from "../../src/backend/classic/instruction.ts";
import { patience } from "../support/patience.ts";
import { buildHelper } from "./libseccomp.ts";

export interface VictimCall {
  readonly abi: "native" | "i386";
  readonly number: number;
  readonly arguments: readonly bigint[];
}

export type VictimResult =
  /** −4095 … −1 is a negative errno. */
  { readonly returned: bigint } | { readonly signal: number };

export interface VictimRun {
  /** The instruction pointer of native calls, as the filter sees it. */
  readonly instructionPointer: bigint;
  readonly results: readonly VictimResult[];
}

const callSize = 56;

/** Throws if the kernel refuses the filter. */
export function runVictim(filter: readonly ClassicInstruction[], calls: readonly VictimCall[]): VictimRun {
  if (endianness() !== "LE") throw new Error("the victim is fed in little-endian order");
  const program = buildHelper("victim", []);
  const bytes = encodeInstructions(filter);
  const input = Buffer.alloc(8 + bytes.length + calls.length * callSize);
  input.writeUInt32LE(filter.length, 0);
  input.set(bytes, 4);
  input.writeUInt32LE(calls.length, 4 + bytes.length);
  calls.forEach((call, index) => {
    const at = 8 + bytes.length + index * callSize;
    input.writeUInt32LE(call.abi === "i386" ? 1 : 0, at);
    input.writeUInt32LE(call.number >>> 0, at + 4);
    call.arguments.forEach((value, register) => {
      input.writeBigUInt64LE(BigInt.asUintN(64, value), at + 8 + 8 * register);
    });
  });
  const { status, signal, stdout, stderr } = spawnSync(program, {
    input,
    maxBuffer: 1 << 26,
    timeout: patience.command,
  });
  if (status !== 0) throw new Error(`victim: ${stderr.toString().trim() || `status ${status}, signal ${signal}`}`);
  const [first = "", ...lines] = stdout.toString().trim().split("\n");
  return {
    instructionPointer: BigInt(first.replace("ip ", "")),
    results: lines.map((line): VictimResult => {
      const [kind, number = ""] = line.split(" ");
      return kind === "signal" ? { signal: Number(number) } : { returned: BigInt(number) };
    }),
  };
}
