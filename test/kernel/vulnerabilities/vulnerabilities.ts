/**
 * The vulnerabilities that policies/against/ has policies for. Each has a program of the same name beside this file, with the
 * exploits' pattern of calls and a legitimate use of the same calls (pattern.h).
 */
import { resolve } from "node:path";
import { compiled } from "../../support/run.ts";

export interface Vulnerability {
  /** The name of the program and of the policy. */
  readonly name: string;
  readonly title: string;
  /** How a round is counted as won. */
  readonly oracle: string;
  /** The policy's requirements. */
  readonly rule: "stateless" | "count" | "order" | "serialisation";
  /** Within so many rounds the pattern wins without a policy; about a tenth is usual. */
  readonly rounds: number;
  /** Whether it wins on every kernel, because the bug is in a program, or because the pattern only leads to bugs. */
  readonly anyKernel: boolean;
  /** The system's program that the legitimate program executes. */
  readonly executes?: string;
}

export const vulnerabilities: readonly Vulnerability[] = [
  {
    name: "cve-2016-0728",
    title: "a keyring's references overflow",
    oracle: "1,024 lost references in /proc/keys (the exploit: 2^32)",
    rule: "count",
    rounds: 4_096,
    anyKernel: false,
  },
  {
    name: "cve-2016-5195",
    title: "Dirty COW",
    oracle: "a read-only file of the program has changed",
    rule: "serialisation",
    rounds: 20_000,
    anyKernel: false,
  },
  {
    name: "cve-2017-5123",
    title: "waitid writes to the kernel",
    oracle: "waitid writes to one of 128 pages that the kernel has set aside",
    rule: "stateless",
    rounds: 128,
    anyKernel: false,
  },
  {
    name: "cve-2017-7533",
    title: "inotify against rename",
    oracle: "inotify reports a name that the file never had",
    rule: "serialisation",
    rounds: 20_000,
    anyKernel: false,
  },
  {
    name: "cve-2018-18281",
    title: "mremap against ftruncate",
    oracle: "the kernel counts a page that is freed before the flush",
    rule: "serialisation",
    rounds: 20_000,
    anyKernel: false,
  },
  {
    name: "cve-2019-11487",
    title: "a page's references overflow",
    oracle: "the kernel counts a reference beyond 4,096 (the exploit: 2^31)",
    rule: "count",
    rounds: 1_250,
    anyKernel: false,
  },
  {
    name: "busybox-9071",
    title: "arp copies a name that is too long",
    oracle: "the program executes memory or another program",
    rule: "order",
    rounds: 1,
    anyKernel: true,
  },
  {
    name: "cve-2022-0847",
    title: "Dirty Pipe",
    oracle: "a read-only file of the program has changed",
    rule: "order",
    rounds: 1,
    anyKernel: false,
  },
  {
    name: "cve-2024-1086",
    title: "nf_tables in a new user namespace",
    oracle: "nf_tables answers the program",
    rule: "order",
    rounds: 1,
    anyKernel: true,
  },
  {
    name: "cve-2024-21626",
    title: "runc's working directory",
    oracle: "a container sees a file outside of its root directory",
    rule: "stateless",
    rounds: 1,
    anyKernel: true,
  },
  {
    name: "cve-2026-23415",
    title: "futex against mbind",
    oracle: "the kernel counts a policy that is read after it was freed (a model)",
    rule: "serialisation",
    rounds: 20_000,
    anyKernel: false,
  },
  {
    name: "npm-worm",
    title: "the npm worms",
    oracle: "what was downloaded runs, or a token is sent",
    rule: "order",
    rounds: 2,
    anyKernel: true,
    executes: "/bin/true",
  },
];

/** Whether an engine or a kernel has not started a program because it has no rooms. */
export const lacksRooms = (stderr: string): boolean =>
  /does not delay calls|lacks a function that the program calls: bpf_seccomp_enter/.test(stderr);

/** The compiled program. */
export const programOf = (name: string): string => compiled(resolve(`test/kernel/vulnerabilities/${name}.c`));
