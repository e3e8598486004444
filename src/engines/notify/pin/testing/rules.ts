/** Runs rules that precede a policy's filter (window-rules.ts, own-calls.ts) in an interpreter of classic BPF. */
import { argumentOffset, type ClassicInstruction, offset } from "../../../../compile/classic/instruction.ts";
import { auditArchitecture } from "../../../../linux/architecture.ts";
import { numberOf } from "../../../../linux/calls.ts";

/** Runs the rules of x86-64 for this call, see `runs`. */
export function returns(
  rules: readonly ClassicInstruction[],
  call: string,
  registers: readonly (number | bigint)[],
): boolean {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(offset.number, numberOf(call, "x86_64")!, true);
  data.setUint32(offset.architecture, auditArchitecture.x86_64, true);
  registers.forEach((value, index) => {
    data.setBigUint64(argumentOffset(index, "low"), BigInt.asUintN(64, BigInt(value)), true);
  });
  return runs(rules, data);
}

/** True if they return; false if they continue exactly behind their end. */
export function runs(program: readonly ClassicInstruction[], data: DataView): boolean {
  let [a, x, at] = [0, 0, 0];
  for (; at < program.length; at++) {
    const { code, jt, jf, k } = program[at]!;
    const skip = (holds: boolean): void => {
      at += holds ? jt : jf;
    };
    if (code === 0x20) a = data.getUint32(k, true);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x07) x = a;
    else if (code === 0x0c) a = (a + x) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) skip(a === k);
    else if (code === 0x25) skip(a > k);
    else if (code === 0x35) skip(a >= k);
    else if (code === 0x45) skip((a & k) !== 0);
    else if (code === 0x06) return true;
    else throw new Error(`no instruction ${code}`);
  }
  if (at !== program.length) throw new Error("a jump leads beyond the end");
  return false;
}
