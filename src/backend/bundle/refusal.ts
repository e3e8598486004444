/** Why the kernel refused a bundle's program, as a diagnostic at the policy's line. */

import { errnoName } from "../../abi/errno.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { BpfError } from "../../machine/bpf/command.ts";
import { InterruptedError } from "../../machine/bpf/programs.ts";
import { VerifierError } from "../../machine/bpf/verifier-log.ts";
import type { Bundle, Place } from "./bundle.ts";
import { MissingFunctionError } from "./load.ts";

/** Undefined if the error is not a refusal of the kernel. */
export function explainRefusal(bundle: Bundle, error: unknown): Diagnostic | undefined {
  if (error instanceof MissingFunctionError)
    return diagnostic("P0607", error.message, { help: "the target seccomp needs a kernel with portcullis's patches" });
  if (!(error instanceof BpfError)) return undefined;
  if (error instanceof InterruptedError)
    return diagnostic("P0607", "signals interrupted the kernel's verifier each time (EAGAIN)", {
      help: "the program was not refused: try again, with fewer signals",
    });
  if (error.errno === errno.EPERM) {
    return diagnostic("P0607", `${error.operation} is not permitted (EPERM)`, {
      help: "it needs CAP_BPF; kernel.unprivileged_bpf_disabled and kernel.seccomp.ebpf can permit other users",
    });
  }
  if (!(error instanceof VerifierError) || error.reason === "") {
    const isType = error instanceof VerifierError && error.errno === errno.EINVAL;
    return diagnostic("P0607", `the kernel refuses ${error.operation} (${errnoName(error.errno) ?? error.errno})`, {
      help: isType
        ? `it has no programs of type ${bundle.programType} (portcullis doctor shows what it supports)`
        : "portcullis doctor shows what this kernel supports",
    });
  }
  const at = error.instruction === undefined ? undefined : placeAt(bundle, error.instruction);
  return diagnostic("P0607", `the kernel's verifier refuses the program: ${error.reason}`, {
    span: at === undefined ? undefined : { ...at, length: Math.max(1, at.length) },
    help:
      error.instruction === undefined
        ? "this is a fault of portcullis: please report it, with the verifier's whole log (--verifier-log FILE)"
        : `instruction ${error.instruction}; this is a fault of portcullis: please report it, with the verifier's whole log (--verifier-log FILE)`,
  });
}

/** The policy's place of an instruction, by its slot. */
function placeAt({ sourceMap }: Bundle, slot: number): Place | undefined {
  return sourceMap.findLast(({ instruction }) => instruction <= slot)?.at;
}
