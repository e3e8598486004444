/**
 * The disassembler: Capstone, as WebAssembly. It is an optional peer dependency, because only `propose --elf` needs it, and
 * it is larger than portcullis.
 */
import { createRequire } from "node:module";
import type { ArchitectureName } from "../../abi/architecture.ts";

export interface Instruction {
  readonly address: number;
  readonly size: number;
  readonly mnemonic: string;
  readonly operands: readonly string[];
}

export interface Disassembler {
  /** Disassembles up to the first invalid instruction. */
  disassemble(code: Uint8Array, address: number, architecture: ArchitectureName): readonly Instruction[];
}

/** The part of the package's interface that this module uses; the package has no types. */
interface Capstone {
  readonly ARCH_X86: number;
  readonly ARCH_ARM64: number;
  readonly MODE_LITTLE_ENDIAN: number;
  readonly MODE_64: number;
  readonly Capstone: new (
    architecture: number,
    mode: number,
  ) => {
    disasm(
      code: Uint8Array,
      address: number,
    ): { readonly address: number; readonly size: number; readonly mnemonic: string; readonly op_str: string }[];
  };
}

export const disassemblerPackage = "@alexaltea/capstone-js";

/** Undefined if the package is not installed. */
export async function loadDisassembler(): Promise<Disassembler | undefined> {
  let make: () => Promise<Capstone>;
  try {
    make = createRequire(import.meta.url)(disassemblerPackage) as typeof make;
  } catch {
    return undefined;
  }
  const capstone = await make();
  const decoders = {
    x86_64: new capstone.Capstone(capstone.ARCH_X86, capstone.MODE_64),
    aarch64: new capstone.Capstone(capstone.ARCH_ARM64, capstone.MODE_LITTLE_ENDIAN),
  } as const;
  return {
    disassemble(code, address, architecture) {
      try {
        return decoders[architecture].disasm(code, address).map(({ op_str, ...instruction }) => ({
          address: Number(instruction.address),
          size: instruction.size,
          mnemonic: instruction.mnemonic,
          operands: operandsOf(op_str),
        }));
      } catch {
        // Capstone throws where the first bytes are not an instruction.
        return [];
      }
    },
  };
}

function operandsOf(text: string): string[] {
  return text.split(/,\s*(?![^[]*\])/).filter((one) => one !== "");
}
