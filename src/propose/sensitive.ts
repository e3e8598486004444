/**
 * Sensitive calls: what an attacker needs after the first step. A proposal allows one only in the roles and phases that
 * made it, however often these made it.
 */

import { groups } from "../abi/groups.ts";
import { cloneFlag } from "../abi/process-calls.ts";
import type { Aspect, Value } from "./aspects.ts";

/** The arguments of a call, as far as a proposal looks at them. */
interface Arguments {
  readonly call: string;
  readonly aspects: readonly Aspect[];
  readonly values: readonly Value[];
}

interface SensitiveCalls {
  readonly name: string;
  readonly why: string;
  readonly calls: readonly string[];
  /** The parameter that decides, or its field: other values are not sensitive, unknown ones are. */
  readonly only?: { readonly parameter: string; readonly is: (bits: bigint) => boolean };
}

const hasExec = (protection: bigint): boolean => (protection & 4n) !== 0n;
const isNoThread = (flags: bigint): boolean => (flags & cloneFlag.thread) === 0n;
const group = (name: string): readonly string[] => groups().get(name)!;

/** Sensitive with PROT_EXEC. */
export const executableMemory: readonly string[] = ["mmap", "mprotect", "pkey_mprotect"];

export const sensitiveCalls: readonly SensitiveCalls[] = [
  { name: "execute", why: "another program does what the attacker wants", calls: ["execve", "execveat"] },
  { name: "fork", why: "a process of the attacker outlives the server's", calls: ["fork", "vfork"] },
  {
    name: "fork by clone",
    why: "as fork; threads share the fate of their process",
    calls: ["clone"],
    only: { parameter: "flags", is: isNoThread },
  },
  { name: "fork by clone3", why: "as clone", calls: ["clone3"], only: { parameter: "uargs", is: isNoThread } },
  { name: "identity", why: "another user or a capability has other files", calls: [...group("@setuid"), "capset"] },
  { name: "other processes", why: "their memory and descriptors have secrets", calls: group("@debug") },
  {
    name: "mount",
    why: "the files behind trusted paths change",
    calls: [...group("@mount"), "setns", "unshare", "open_by_handle_at"],
  },
  {
    name: "kernel",
    why: "code and keys in the kernel, and its attack surface",
    calls: [...group("@module"), ...group("@keyring"), "bpf", "kexec_load", "kexec_file_load", "userfaultfd"],
  },
  {
    name: "executable memory",
    why: "code that the attacker has written is executed",
    calls: executableMemory,
    only: { parameter: "prot", is: hasExec },
  },
  { name: "executable by personality", why: "READ_IMPLIES_EXEC adds PROT_EXEC", calls: ["personality"] },
  { name: "executable without a name", why: "a file in memory can be mapped and executed", calls: ["memfd_create"] },
  {
    name: "network",
    why: "a new socket and a new address reach other machines and services",
    calls: ["socket", "connect", "bind", "listen"],
  },
];

const byCall: ReadonlyMap<string, SensitiveCalls> = new Map(
  sensitiveCalls.flatMap((entry) => entry.calls.map((call) => [call, entry] as const)),
);

export function isSensitive({ call, aspects, values }: Arguments): boolean {
  const entry = byCall.get(call);
  if (entry?.only === undefined) return entry !== undefined;
  const { parameter, is } = entry.only;
  const index = aspects.findIndex((aspect) => aspect.parameter === parameter);
  // Without the aspect, no rule could tell the calls apart (`--detail calls`).
  if (index < 0) return false;
  const value = values[index];
  return typeof value !== "bigint" || is(value);
}

/** Calls in which roles must not differ to become one: sensitive ones, except those of every start and of every parent. */
export function isPower(call: string): boolean {
  const name = byCall.get(call)?.name;
  return name !== undefined && !["fork", "fork by clone", "fork by clone3", "executable memory"].includes(name);
}
