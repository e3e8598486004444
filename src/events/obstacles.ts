/** The cause and the remedy for people if a process could not be followed. */
import { errnoName } from "../abi/errno.ts";
import type { EnterObstacle, FollowObstacle, HoldObstacle, JudgementRecord, PinObstacle } from "./record.ts";

const capability = "run portcullis with CAP_SYS_PTRACE";
const withoutFollowing = "use a policy that follows no processes: state per tree only, without tree.alive()";

/** How to do without ptrace where a call could not be pinned. */
export const withoutPinning = "use a policy without conditions on the memory behind this call's pointers";

/** The same, where the end of a call could not be reported. */
export const withoutRooms = "use a policy in which this call enters no room";

/** Why a room was not held. */
export function describeEnterObstacle(why: EnterObstacle): { readonly cause: string; readonly advice: string } {
  switch (why) {
    case "creates":
      return {
        cause: "it makes a process or executes a program, so it does not end where it began",
        advice: "enter rooms in other calls only",
      };
    case "too-many":
      return { cause: "too many calls wait for rooms", advice: "a shorter `timeout` of the room, or fewer threads" };
  }
}

/** `instead` says how to do without ptrace. */
export function describeObstacle(
  obstacle: FollowObstacle,
  instead: string = withoutFollowing,
): { readonly cause: string; readonly advice: string } {
  switch (obstacle.why) {
    case "traced": {
      const tracer = obstacle.command === undefined ? `process ${obstacle.by}` : `${obstacle.command}[${obstacle.by}]`;
      return {
        cause: `${tracer} traces the caller, and a task has one tracer`,
        advice: `debug without a policy, or ${instead}`,
      };
    }
    case "not-dumpable":
      return {
        cause: "the caller is not dumpable: by PR_SET_DUMPABLE, or because it executed a file that it may not read",
        advice: `${capability}, or ${instead}`,
      };
    case "other-user":
      return {
        cause: `the caller runs as user ${obstacle.uid}, and portcullis has no CAP_SYS_PTRACE`,
        advice: `run portcullis as that user, or with CAP_SYS_PTRACE (in a container: add the capability)`,
      };
    case "other-group":
      return { cause: "the caller runs as another group, and portcullis has no CAP_SYS_PTRACE", advice: capability };
    case "more-capabilities":
      return {
        cause: "the caller has capabilities that portcullis lacks",
        advice: `${capability}, or the command without those capabilities`,
      };
    case "user-namespace":
      return {
        cause: "the caller is in another user namespace, in which portcullis has no CAP_SYS_PTRACE",
        advice: "run portcullis inside of that namespace, or as the user that created it",
      };
    case "yama":
      return obstacle.level === 1
        ? {
            cause: "kernel.yama.ptrace_scope is 1, and the caller no longer descends from portcullis",
            advice: `start the command with --kill-tree, which makes its daemons descendants of portcullis, or ${capability}`,
          }
        : {
            cause: `kernel.yama.ptrace_scope is ${obstacle.level}`,
            advice: obstacle.level === 2 ? `sysctl kernel.yama.ptrace_scope=1, or ${capability}` : instead,
          };
    case "untraced-flag":
      return {
        cause: "CLONE_UNTRACED creates a child that cannot be followed",
        advice: "create the child without that flag",
      };
    case "unseen-caller":
      return {
        cause: "the caller's own process was not followed when it was created",
        advice: "an earlier event may say why",
      };
    case "no-descriptors":
      return {
        cause: "portcullis has no file descriptor left",
        advice: "raise its limit (ulimit -n); something else may have lowered it (prlimit)",
      };
    case "refused":
      return {
        cause: `ptrace is refused (${errnoName(obstacle.errno) ?? obstacle.errno})`,
        advice:
          errnoName(obstacle.errno) === "EAGAIN"
            ? "raise the limits of processes and of pending signals (ulimit -u, -i); at most 257 calls are followed at once"
            : "a security module (AppArmor, SELinux) or an outer filter may forbid ptrace: see the kernel's log",
      };
  }
}

interface ObstacleText {
  readonly cause: string;
  readonly advice: string;
}

const report = "please report it, with the program's name";
const noMemoryRules = "use a policy that does not ask about memory for this call";

const pinObstacleTexts: { readonly [O in PinObstacle]: ObstacleText } = {
  untraceable: {
    cause: "the caller cannot be stopped",
    advice: `run portcullis as the caller's user, without another tracer (strace, gdb), or with CAP_SYS_PTRACE; or ${noMemoryRules}`,
  },
  unreadable: {
    cause: "/proc/PID/maps of the caller cannot be read",
    advice: "portcullis needs a /proc in which it sees the caller (its mount options hide processes)",
  },
  occupied: {
    cause: "the caller has other memory at the addresses that portcullis uses (64 KiB to 2 MiB)",
    advice: `if the agent was restarted eight times since the program started, start it again; else link it to another address, or ${noMemoryRules}`,
  },
  "no-descriptors": {
    cause: "no file descriptor is left (RLIMIT_NOFILE)",
    advice: "raise the limit (ulimit -n) of the caller and of portcullis",
  },
  "not-mapped": {
    cause: "the caller cannot map memory (RLIMIT_AS, vm.mmap_min_addr, or another filter)",
    advice: "raise the limit (ulimit -v), set vm.mmap_min_addr to 65536 or less, or allow mmap in the other filter",
  },
  "not-protected": {
    cause: "the caller cannot protect the memory (another filter refuses mseal or madvise)",
    advice: "allow mseal and madvise in the other filter",
  },
  "no-stack": {
    cause: "there is no room below the caller's stack pointer",
    advice: "give the thread a larger stack (ulimit -s, pthread_attr_setstacksize)",
  },
  "no-room": {
    cause: "too many calls of this address space are under way, or the arguments are too long",
    advice: "make fewer such calls at once, or pass shorter arguments",
  },
  "no-memory": { cause: "portcullis has no memory left", advice: "give it more (a container's or cgroup's limit)" },
  dispatched: {
    cause: "the caller uses syscall user dispatch",
    advice: `run the program without it (Wine uses it), or ${noMemoryRules}`,
  },
  starved: {
    cause: "signals interrupted the caller each time",
    advice: `make the signals rarer (a timer's period), or ${report}`,
  },
  stalled: {
    cause: "the memory of its arguments, or its stack, does not come (a FUSE or file server, userfaultfd)",
    advice: `copy memory that is mapped from a slow file system before passing it to a call, or ${noMemoryRules}`,
  },
  "no-window": {
    cause: "portcullis cannot make the memory that it shares with the caller",
    advice: "it needs files of 1 MiB (ulimit -f); another process may have lowered its limit (prlimit)",
  },
};

export function describePinObstacle({ why, errno }: NonNullable<JudgementRecord["pin"]>): ObstacleText {
  const { cause, advice } = pinObstacleTexts[why];
  return { cause: `${cause}${errno === 0 ? "" : ` (${errnoName(errno) ?? errno})`}`, advice };
}

const sameCaller =
  "run portcullis as the caller is (user, groups, capabilities, namespaces), or compare `.text` in the policy";
const byText = "compare `.text` in the policy for such paths";
const ownPath = "use the program's own path to it";

const holdObstacleTexts: { readonly [O in HoldObstacle]: ObstacleText } = {
  "other-credentials": {
    cause: "the caller's users, groups or capabilities are not those of portcullis",
    advice: sameCaller,
  },
  "other-user-namespace": { cause: "the caller is in another user namespace", advice: sameCaller },
  "other-mounts": { cause: "the caller is in another mount namespace", advice: sameCaller },
  "other-root": { cause: "the caller has another root directory", advice: sameCaller },
  "other-label": {
    cause: "a security module (AppArmor, SELinux) has another label for the caller",
    advice: "give portcullis the same label",
  },
  "other-namespaces": {
    cause: "the caller is in other namespaces, which a device or a file of /proc can depend on",
    advice: sameCaller,
  },
  "other-cgroup": {
    cause: "the caller is in another cgroup, which can forbid devices",
    advice: "start portcullis in that cgroup",
  },
  "own-process": { cause: "the path leads to portcullis's own process", advice: ownPath },
  "other-process": {
    cause:
      "the path leads to a protected file or a link of another process (/proc/PID/mem, environ, fd, cwd and others)",
    advice: `${ownPath}, or ${byText}`,
  },
  "other-proc": { cause: "the path leads to a mount of procfs other than /proc", advice: "use /proc" },
  "other-terminal": {
    cause: "the caller's terminal is not portcullis's",
    advice: "start portcullis in that terminal, or open it by its name in /dev/pts",
  },
  "place-unknown": {
    cause: "where the object lies cannot be seen, or changes all the time",
    advice: `let portcullis search the directories above, or ${byText}`,
  },
  "unreadable-caller": { cause: "the caller's files in /proc cannot be read", advice: sameCaller },
  "no-descriptors": { cause: "portcullis has no file descriptor left", advice: "raise its limit (ulimit -n)" },
  "no-memory": {
    cause: "portcullis has no memory left",
    advice: "give it more (a container's or cgroup's limit)",
  },
  "too-many": { cause: "too many calls wait for their objects", advice: "make fewer such calls at once" },
  "other-umask": {
    cause: "the caller's umask is another, and unshare(2) is refused to portcullis",
    advice: "start portcullis with the same umask",
  },
  "path-only": {
    cause: "the kernel installs no descriptor that was opened with O_PATH",
    advice: `open it for reading, or ${byText}`,
  },
  "restricted-walk": {
    cause: "the path leads into /proc, and openat2's `resolve` restricts the way",
    advice: "use RESOLVE_ flags for other paths only",
  },
  landlock: {
    cause: "the caller, or a process that it comes from, has restricted itself by Landlock",
    advice: 'return deny("EOPNOTSUPP") for landlock_create_ruleset, so that it works unrestricted, or compare `.text`',
  },
};

export function describeHoldObstacle(why: HoldObstacle): ObstacleText {
  return holdObstacleTexts[why];
}
