/** Typical real profiles, for comparisons with libseccomp. */
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { allCalls, callByName } from "../../src/abi/calls.ts";
import { groups } from "../../src/abi/groups.ts";
import { type Comparison, type FlatProfile, type Operator, type Rule, readProfileFile } from "./profile.ts";
import { randomNumbers } from "./random.ts";

/** Debian's golang-github-containers-common, which podman, buildah and cri-o use. */
export const debianProfilePath = "/usr/share/containers/seccomp.json";

/** Calls that libseccomp 2.6.0 lacks. */
const newerThanLibseccomp: readonly string[] = [
  "fchroot",
  "file_getattr",
  "file_setattr",
  "listns",
  "open_tree_attr",
  "rseq_slice_yield",
  "uprobe",
];

const allow = 0x7fff_0000;
const errno = (number: number) => 0x0005_0000 | number;
const [eperm, enosys, eafnosupport] = [errno(1), errno(38), errno(97)];

export interface NamedProfile {
  readonly name: string;
  readonly profile: FlatProfile;
}

export function realProfiles(architecture: ArchitectureName): readonly NamedProfile[] {
  return [
    { name: "debian-containers", profile: readProfileFile(debianProfilePath, architecture) },
    { name: "docker-like", profile: dockerLike(architecture) },
    { name: "systemd-like", profile: systemdLike(architecture) },
    { name: "flatpak-like", profile: flatpakLike(architecture) },
    { name: "deny-245", profile: deny245(architecture) },
    { name: "allow-few", profile: allowFew(architecture) },
    { name: "exec-once", profile: plain(architecture, allow, errno(13), ["execve", "execveat"]) },
  ];
}

function rule(
  architecture: ArchitectureName,
  action: number,
  name: string,
  ...tests: readonly (readonly [index: number, operator: Operator, a: bigint, b?: bigint])[]
): Rule[] {
  const number = callByName(name)?.number[architecture];
  if (number === undefined || newerThanLibseccomp.includes(name)) return [];
  const comparisons = tests.map(([index, operator, a, b = 0n]): Comparison => ({ index, operator, a, b }));
  return [{ action, name, number, comparisons }];
}

export function plain(
  architecture: ArchitectureName,
  defaultAction: number,
  action: number,
  names: readonly string[],
  more: readonly Rule[] = [],
): FlatProfile {
  const rules = [...new Set(names)].flatMap((name) => rule(architecture, action, name));
  return { architecture, defaultAction, rules: [...rules, ...more] };
}

function members(...names: readonly string[]): string[] {
  return names.flatMap((name) => [...groups().get(name)!]);
}

/** An allow list of services' calls with conditions on the dangerous ones. */
function dockerLike(architecture: ArchitectureName): FlatProfile {
  const conditional = ["personality", "clone", "clone3", "socket", "ioctl", "prctl", "kcmp", "setns"];
  const names = members("@system-service", "@default").filter((name) => !conditional.includes(name));
  const always = ["exit", "exit_group", "rt_sigreturn", "restart_syscall"];
  const namespaces = 0x7e02_0000n;
  return plain(
    architecture,
    eperm,
    allow,
    [...names, ...always],
    [
      ...[0x0n, 0x8n, 0x2_0000n, 0x2_0008n, 0xffff_ffffn].flatMap((persona) =>
        rule(architecture, allow, "personality", [0, "eq", persona]),
      ),
      ...rule(architecture, allow, "clone", [0, "masked_eq", namespaces, 0n]),
      ...rule(architecture, enosys, "clone3"),
      // No AF_ALG, no AF_VSOCK.
      ...rule(architecture, allow, "socket", [0, "lt", 38n]),
      ...rule(architecture, allow, "socket", [0, "eq", 39n]),
      ...rule(architecture, allow, "socket", [0, "gt", 40n]),
      // TIOCSTI, with any upper half.
      ...rule(architecture, allow, "ioctl", [1, "ne", 0x5412n]),
      ...rule(architecture, allow, "prctl", [0, "le", 66n]),
    ],
  );
}

/** SystemCallFilter=~…, RestrictAddressFamilies=, MemoryDenyWriteExecute=, RestrictNamespaces=, RestrictSUIDSGID=. */
function systemdLike(architecture: ArchitectureName): FlatProfile {
  const names = members("@clock", "@debug", "@module", "@mount", "@raw-io", "@reboot", "@swap", "@obsolete");
  const conditional = ["mmap", "mprotect", "pkey_mprotect", "clone", "unshare", "setns", "socket", "fchmod", "chmod"];
  const [write, execute] = [2n, 4n];
  return plain(
    architecture,
    allow,
    eperm,
    names.filter((name) => !conditional.includes(name)),
    [
      ...rule(architecture, eperm, "mmap", [2, "masked_eq", write | execute, write | execute]),
      ...rule(architecture, eperm, "mprotect", [2, "masked_eq", execute, execute]),
      ...rule(architecture, eperm, "pkey_mprotect", [2, "masked_eq", execute, execute]),
      ...[0x0002_0000n, 0x0400_0000n, 0x1000_0000n].flatMap((flag) => [
        ...rule(architecture, eperm, "clone", [0, "masked_eq", flag, flag]),
        ...rule(architecture, eperm, "unshare", [0, "masked_eq", flag, flag]),
      ]),
      ...rule(architecture, enosys, "clone3"),
      ...rule(architecture, eafnosupport, "socket", [0, "gt", 16n]),
      ...[3n, 4n, 5n, 6n, 7n, 8n, 9n, 11n, 12n, 13n, 14n, 15n].flatMap((family) =>
        rule(architecture, eafnosupport, "socket", [0, "eq", family]),
      ),
      ...[0o4000n, 0o2000n].flatMap((bit) => [
        ...rule(architecture, eperm, "chmod", [1, "masked_eq", bit, bit]),
        ...rule(architecture, eperm, "fchmod", [1, "masked_eq", bit, bit]),
      ]),
    ],
  );
}

/** A short deny list with flags. */
function flatpakLike(architecture: ArchitectureName): FlatProfile {
  const names = ["syslog", "uselib", "acct", "quotactl", "add_key", "keyctl", "request_key", "move_pages", "mbind"];
  const more = [
    "get_mempolicy",
    "set_mempolicy",
    "migrate_pages",
    "unshare",
    "setns",
    "mount",
    "umount2",
    "pivot_root",
  ];
  const newMount = ["chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"];
  return plain(
    architecture,
    allow,
    eperm,
    [...names, ...more, "ptrace", "perf_event_open"],
    [
      ...newMount.flatMap((name) => rule(architecture, enosys, name)),
      ...rule(architecture, enosys, "clone3"),
      ...rule(architecture, eperm, "clone", [0, "masked_eq", 0x1000_0000n, 0x1000_0000n]),
      ...rule(architecture, eperm, "ioctl", [1, "masked_eq", 0xffff_ffffn, 0x5412n]),
      ...rule(architecture, eperm, "ioctl", [1, "masked_eq", 0xffff_ffffn, 0x541cn]),
      ...rule(architecture, errno(22), "personality", [0, "ne", 0n]),
      ...[4n, 5n, 6n, 7n, 9n].flatMap((family) => rule(architecture, eafnosupport, "socket", [0, "eq", family])),
      ...rule(architecture, eafnosupport, "socket", [0, "ge", 17n]),
    ],
  );
}

/** 245 denied calls and a comparison that the bitmap cannot decide. */
function deny245(architecture: ArchitectureName): FlatProfile {
  const kept = new Set(
    `getppid read write execve brk mmap mprotect munmap openat close fstat newfstatat pread64 arch_prctl
     set_tid_address set_robust_list rseq prlimit64 getrandom exit_group access clock_gettime futex`.split(/\s+/),
  );
  const names = allCalls
    .filter(({ name, number }) => !kept.has(name) && (number[architecture] ?? 1000) < 335)
    .sort((a, b) => a.number[architecture]! - b.number[architecture]!)
    .slice(0, 245)
    .map(({ name }) => name);
  return plain(architecture, allow, eperm, names, rule(architecture, eperm, "getppid", [0, "eq", 0x1_2345_6789n]));
}

/** The calls of a small server; every other call kills. */
function allowFew(architecture: ArchitectureName): FlatProfile {
  const names = `read write close fstat mmap munmap brk rt_sigaction rt_sigprocmask rt_sigreturn ioctl accept4
    epoll_wait epoll_pwait epoll_ctl sendto recvfrom exit exit_group futex clock_gettime getrandom openat newfstatat`;
  return plain(architecture, 0x8000_0000, allow, names.split(/\s+/), [
    ...rule(architecture, allow, "fcntl", [1, "eq", 3n]),
    ...rule(architecture, allow, "fcntl", [1, "eq", 4n], [2, "masked_eq", 0x800n, 0x800n]),
    ...rule(architecture, allow, "mprotect", [2, "masked_eq", 4n, 0n]),
  ]);
}

/** Profiles of `count` calls drawn at random; the same for the same seed. */
export function randomProfile(architecture: ArchitectureName, seed: number): FlatProfile {
  const random = randomNumbers(seed);
  const share = random();
  const names = allCalls.filter(() => random() < share).map(({ name }) => name);
  const denying = random() < 0.5;
  return plain(architecture, denying ? allow : errno(2 + Math.floor(random() * 9)), denying ? eperm : allow, names);
}
