/**
 * The differences of the groups (src/abi/groups.ts) from systemd's, with reasons. The generator fails if a difference
 * has no reason, or a reason no difference.
 */
import { groups, ungroupedCalls } from "../../src/abi/groups.ts";
import { SourceError } from "./source.ts";

/** The groups that systemd of the same version prints, as a path from the root of the checkout. */
export const systemdList = "tools/generate/systemd-257.txt";

export interface GroupDifference {
  readonly group: string;
  /** Calls that only ours has, and calls that only systemd's has. Both only of calls in our tables. */
  readonly more: readonly string[];
  readonly less: readonly string[];
  readonly reasons: readonly string[];
}

interface Reason {
  readonly calls: string;
  readonly why: string;
}

const neverJudged: Reason = {
  calls: "exit exit_group restart_syscall rt_sigreturn",
  why: "are never judged, so no group has them",
};
const uring: Reason = {
  calls: "io_uring_enter io_uring_register io_uring_setup",
  why: "pass no filter for what they do, so a policy must name them itself",
};
const otherMemory: Reason = {
  calls: "process_madvise process_vm_readv process_vm_writev",
  why: "reach into other processes: @debug",
};
const namespaces: Reason = {
  calls: "setns unshare",
  why: "give access to kernel code that only root reaches otherwise: @namespace",
};
const restricting: Reason = {
  calls: "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp",
  why: "are asked for by @sandbox",
};
const futexes: Reason = {
  calls: "futex_requeue futex_wait futex_wake",
  why: "do what futex does, and are newer than systemd's list",
};
const old: Reason = {
  calls: "epoll_ctl_old epoll_wait_old get_thread_area lookup_dcookie remap_file_pages set_thread_area",
  why: "are in @obsolete",
};
const shadowStack: Reason = {
  calls: "map_shadow_stack",
  why: "makes a thread's shadow stack, which a C library needs",
};

/** By group, in the order of the document. */
const reasons: { readonly [group: string]: readonly Reason[] } = {
  "@default": [
    { calls: "execve", why: "starts another program: @process" },
    neverJudged,
    restricting,
    old,
    futexes,
    shadowStack,
    {
      calls:
        "capget get_mempolicy getcpu getpriority getrusage ioprio_get sched_get_priority_max sched_get_priority_min sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sysinfo times uname",
      why: "only ask, as the others of this group do; systemd has them in @system-service and @process",
    },
    { calls: "madvise mremap", why: "are made by every allocator of memory" },
    { calls: "rseq_slice_yield uprobe", why: "are newer than systemd's list; see sched_yield and uretprobe" },
  ],
  "@file-system": [
    {
      calls: "fadvise64 flock readahead umask",
      why: "are about files that are open or about to be; systemd has them in @system-service alone",
    },
  ],
  "@io-event": [old],
  "@process": [
    { calls: "execve", why: "starts another program; systemd has it in @default" },
    { calls: "setpgid setsid", why: "arrange the process's own group; systemd has them in @system-service alone" },
    namespaces,
  ],
  "@aio": [uring],
  "@ipc": [otherMemory],
  "@setuid": [{ calls: "setfsgid setfsuid", why: "change the user and group that files are opened as" }],
  "@debug": [
    { calls: "kcmp", why: "shows what two processes share, under the rules of ptrace" },
    {
      calls: "process_madvise process_vm_readv process_vm_writev",
      why: "reach into other processes; systemd has them in @ipc",
    },
    old,
  ],
  "@mount": [{ calls: "fchroot open_tree_attr", why: "are newer than systemd's list; see chroot and open_tree" }],
  "@privileged": [
    {
      calls: "fchroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr umount2",
      why: "are in @mount, most of which needs a capability",
    },
    { calls: "setfsgid setgid setregid setresgid", why: "are in @setuid, all of which needs a capability" },
    { calls: "syslog", why: "empties and silences the kernel's log" },
    { calls: "_sysctl nfsservctl", why: "are in @obsolete" },
  ],
  "@obsolete": [
    { calls: "epoll_ctl_old epoll_wait_old", why: "never worked on x86-64" },
    { calls: "get_thread_area set_thread_area", why: "are for 32-bit programs" },
    { calls: "lookup_dcookie nfsservctl", why: "were removed from the kernel" },
    { calls: "remap_file_pages", why: "is emulated since Linux 4.0" },
  ],
  "@system-service": [
    neverJudged,
    uring,
    otherMemory,
    namespaces,
    old,
    futexes,
    shadowStack,
    {
      calls: "add_key keyctl request_key",
      why: "are the kernel's own keys, which most services have no use for: @keyring",
    },
    { calls: "kcmp", why: "shows what two processes share: @debug" },
    { calls: "personality", why: "makes readable memory executable and addresses guessable: by name only" },
    { calls: "userfaultfd", why: "stops the kernel where an attacker likes: by name only" },
    {
      calls: "pkey_alloc pkey_free pkey_mprotect",
      why: "are about the process's own memory, and JIT compilers use them",
    },
    { calls: "rseq_slice_yield uprobe", why: "are in @default" },
  ],
};

/** Our groups that systemd does not have. */
export const ownGroups = ["@namespace", "@self", "@zero-copy"] as const;

/** The groups of systemd-257.txt, with groups among their members. */
export function readSystemdGroups(text: string): ReadonlyMap<string, readonly string[]> {
  const rows = text.split("\n").filter((line) => line.startsWith("@"));
  return new Map(
    rows.map((line) => {
      const [name = "", ...members] = line.split(" ");
      return [name, members];
    }),
  );
}

/** @param text of systemd-257.txt. @throws {SourceError} if a difference has no reason, or a reason no difference. */
export function groupDifferences(text: string): readonly GroupDifference[] {
  const systemd = readSystemdGroups(text);
  const known = new Set([...[...groups().values()].flat(), ...ungroupedCalls]);
  const members = (name: string): string[] =>
    (systemd.get(name) ?? []).flatMap((member) => (member.startsWith("@") ? members(member) : [member]));
  const found = [...groups()].flatMap(([group, ours]) => {
    if (!systemd.has(group)) {
      if ((ownGroups as readonly string[]).includes(group)) return [];
      throw new SourceError(`systemd has no group ${group} (systemd.ts)`);
    }
    const theirs = new Set(members(group).filter((name) => known.has(name)));
    const more = ours.filter((name) => !theirs.has(name));
    const less = [...theirs].filter((name) => !ours.includes(name)).sort();
    if (more.length === 0 && less.length === 0) return [];
    return [{ group, more, less, reasons: reasonsFor(group, [...more, ...less]) }];
  });
  for (const group of Object.keys(reasons)) {
    if (!found.some((one) => one.group === group)) throw new SourceError(`${group} is systemd's own (systemd.ts)`);
  }
  return found;
}

function reasonsFor(group: string, differing: readonly string[]): string[] {
  const stated = (reasons[group] ?? []).map(({ calls, why }) => ({
    calls: calls.split(" ").filter((name) => differing.includes(name)),
    why,
  }));
  const explained = stated.flatMap(({ calls }) => calls);
  const unexplained = differing.filter((name) => !explained.includes(name));
  if (unexplained.length > 0)
    throw new SourceError(`${group} differs from systemd's in ${unexplained}: say why (systemd.ts)`);
  for (const { calls, why } of stated) {
    if (calls.length === 0) throw new SourceError(`${group} has no difference that "${why}" explains (systemd.ts)`);
  }
  return stated.map(({ calls, why }) => `${calls.join(", ")} ${calls.length === 1 ? singular(why) : why}`);
}

/** The reasons are written in the plural. */
function singular(why: string): string {
  return why.replace(/^are /, "is ").replace(/^were /, "was ");
}
