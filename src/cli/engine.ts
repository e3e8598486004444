/** Which engine is to enforce. */
import { diagnostic } from "../diagnostics/catalogue.ts";
import { seccompEbpfSupport } from "../engines/seccomp-ebpf/support.ts";
import { StartError } from "../engines/start-error.ts";
import { Failure, type Invocation } from "./verb.ts";

export const engineNames = ["auto", "notify", "seccomp-ebpf"] as const;
export type EngineName = (typeof engineNames)[number];

/** @throws Failure */
export function namedEngine(invocation: Invocation): EngineName {
  const given = invocation.text("engine") ?? "auto";
  const found = engineNames.find((name) => name === given);
  if (found !== undefined) return found;
  throw new Failure([
    diagnostic("P0907", `there is no engine ${JSON.stringify(given)}`, {
      help: "--engine notify or seccomp-ebpf; `portcullis doctor` tries them here",
    }),
  ]);
}

/** What is to be compiled for. */
export type Engine =
  | { readonly name: "notify" }
  | {
      readonly name: "seccomp-ebpf";
      readonly unprivileged: boolean;
      /** Nobody has asked for this engine by name: a policy that it cannot express goes to the other. */
      readonly isChoice: boolean;
    };

/**
 * The kernel's own where it has one and lets us, else notify. An audit is notify's.
 *
 * @throws StartError where the one that was named cannot work here, NativeUnavailableError
 */
export function chooseEngine(name: EngineName, audit: boolean): Engine {
  if (name === "notify" || (name === "auto" && audit)) return { name: "notify" };
  if (audit) {
    throw new StartError(
      125,
      "the engine seccomp-ebpf enforces and cannot only note verdicts",
      "--audit --engine notify",
    );
  }
  const { is, missing } = seccompEbpfSupport();
  if (is === "privileged" || is === "unprivileged") {
    return { name: "seccomp-ebpf", unprivileged: is === "unprivileged", isChoice: name === "auto" };
  }
  if (name === "auto") return { name: "notify" };
  throw new StartError(125, `the engine seccomp-ebpf: ${missing?.what ?? is}`, missing?.help);
}
