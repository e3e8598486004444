/** Computes the bits of an argument that the kernel uses, on numbers; the compiler computes them on expressions. */
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import type { CallDescription, CallParameter } from "../../src/abi/call.ts";
import { registerOf } from "../../src/abi/calls.ts";
import { rewritesOf } from "../../src/abi/rewrites.ts";

/** The low bits of the argument after the kernel's changes. */
export function kernelBits(
  call: CallDescription,
  { name, width }: CallParameter,
  registers: readonly bigint[],
  architecture: ArchitectureName,
): bigint {
  const register = (parameter: string) => {
    const index = call.parameters.findIndex((one) => one.name === parameter);
    return registers[registerOf(call, index, architecture)] ?? 0n;
  };
  let bits = BigInt.asUintN(width, register(name));
  for (const { when, clear, set } of rewritesOf(call.name, name, architecture)) {
    const holds = when.every(({ parameter, mask, values }) =>
      values.includes((parameter === name ? bits : register(parameter)) & mask),
    );
    if (holds) bits = BigInt.asUintN(width, (bits & ~clear) | set);
  }
  return bits;
}
