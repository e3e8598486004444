/**
 * The records that the supervisor's thread creates for evaluations that become events: numbers and indexes only, so
 * that a record costs the evaluation little. `describe.ts` turns them into events in another thread.
 */

import type { ShownEntry } from "../abi/environment.ts";
import type { HostRefusal } from "../hosts/refusal.ts";
import type { Location } from "../ir/location.ts";
import { type ObjectLayer, placeOfSetting, restrictedRights } from "../ir/objects.ts";
import type { Program } from "../ir/program.ts";

/** The part of a program that events need. Small: it is stored with the compiled policy. */
export type PolicyDescription = Pick<Program, "architecture" | "name" | "files" | "verdicts" | "reports"> & {
  /**
   * Of the policy's text, its parameters and the version of portcullis (`policyDigest`), or of the bundle. Absent if the policy
   * was compiled for no run.
   */
  readonly digest?: string;
  /** The cells that hold phases, by their index in `Program.cells`. */
  readonly phases: readonly { readonly cell: number; readonly name: string; readonly names: readonly string[] }[];
  /** The lists of hosts. Absent in a bundle, which has none. */
  readonly hosts?: Program["hosts"];
  /** For each layer of `Program.objects`; absent of a bundle. */
  readonly objects?: readonly (readonly DeclaredRight[])[];
  /** Absent of a bundle. */
  readonly settings?: Program["settings"];
  readonly protectedNames?: Program["protectedNames"];
};

/**
 * Why portcullis itself refused a call without a rule of the policy.
 *
 * | refusal | when | the call gets |
 * | --- | --- | --- |
 * | foreign-abi | i386 or x32 on x86-64, 32-bit arm on arm64 | ENOSYS |
 * | unknown-call | a number that the table lacks, or io_uring unnamed | ENOSYS |
 * | unseen-child | the new process could not be followed; `obstacle` has the cause | EAGAIN or EPERM, in `errno` |
 * | unpinned | the memory behind its pointers could not be pinned; `pin` has the cause | EPERM or EINTR, in `errno` |
 * | unheld | a room that it enters could not be held for it; `pin` or `enter` has the cause | EPERM or EAGAIN, in `errno` |
 * | unserved | the object of its path was not opened for the caller; `hold` has the cause | EACCES or EAGAIN, in `errno` |
 * | no-descriptors | portcullis has no file descriptor left to identify the caller | EPERM |
 * | invisible-task | the caller is outside of the pid namespace of portcullis | EPERM |
 * | supervisor-failed | the policy's evaluation failed; every later call is denied | ENOSYS |
 * | no-state | the kernel has no state for the policy's program | ENOSYS |
 */
export type Refusal =
  | "foreign-abi"
  | "unknown-call"
  | "unseen-child"
  | "unpinned"
  | "unheld"
  | "unserved"
  | "no-descriptors"
  | "invisible-task"
  | "unseen-memory"
  | "supervisor-failed"
  | "no-state";

/** Why a process that a call would create, or a thread that executes a program, could not be followed. */
export type FollowObstacle =
  | { readonly why: "traced"; readonly by: number; readonly command: string | undefined }
  | { readonly why: "other-user"; readonly uid: number }
  | { readonly why: "yama"; readonly level: number }
  /** ptrace(2)'s errno, if no known condition explains it. */
  | { readonly why: "refused"; readonly errno: number }
  | {
      readonly why:
        | "not-dumpable"
        | "other-group"
        | "more-capabilities"
        | "user-namespace"
        /** The call itself creates a child that cannot be traced (CLONE_UNTRACED). */
        | "untraced-flag"
        /** The caller's own process was not followed when it was created. */
        | "unseen-caller"
        | "no-descriptors";
    };

/**
 * Why a call could not be pinned.
 *
 * | why | when |
 * | --- | --- |
 * | untraceable | the caller cannot be stopped: another traces it, it is not dumpable, Yama, another user (`obstacle`) |
 * | unreadable | /proc/TID/maps of the caller cannot be read |
 * | occupied | the caller has another mapping at the window's addresses, or one that is not protected |
 * | no-descriptors | the caller has no file descriptor left, or portcullis |
 * | not-mapped | the caller's mmap(2) fails: RLIMIT_AS, vm.mmap_min_addr, another filter |
 * | not-protected | the caller's mseal(2) or madvise(2) fails: another filter |
 * | no-stack | there is no room below the caller's stack pointer |
 * | no-room | too many calls of this address space are under way, or their arguments are too long |
 * | no-memory | portcullis has no memory left |
 * | dispatched | the caller has syscall user dispatch, which would take the prepared call |
 * | starved | signals have interrupted the caller each time, more than 256 times in a row (EINTR) |
 * | stalled | a page of the arguments, or of the caller's stack, does not come: of a file server, of userfaultfd(2) |
 * | no-window | portcullis cannot make the memory of a window: its RLIMIT_FSIZE |
 */
export const pinObstacles = [
  "untraceable",
  "unreadable",
  "occupied",
  "no-descriptors",
  "not-mapped",
  "not-protected",
  "no-stack",
  "no-room",
  "no-memory",
  "dispatched",
  "starved",
  "stalled",
  "no-window",
] as const;
export type PinObstacle = (typeof pinObstacles)[number];

/** Longer texts are cut in a record, and lists of more entries: an event is one line for people. In bytes. */
export const longestRecordedText = 512;
export const mostRecordedEntries = 32;

/**
 * Why the object of a path was not served, in the addon's order (enum obstacle in native/addon/objects/objects.h). What portcullis
 * opens is opened with its own rights, so the caller must have the same.
 */
export const holdObstacles = [
  "other-credentials",
  "other-user-namespace",
  "other-mounts",
  "other-root",
  "other-label",
  "other-namespaces",
  "other-cgroup",
  "own-process",
  "other-process",
  "other-proc",
  "other-terminal",
  "place-unknown",
  "unreadable-caller",
  "no-descriptors",
  "no-memory",
  "too-many",
  "other-umask",
  "path-only",
  "restricted-walk",
  /** Not the addon's: the caller's process, or one that it comes from, has restricted itself by Landlock. */
  "landlock",
] as const;
export type HoldObstacle = (typeof holdObstacles)[number];

/** Why a room was not held for a call: it makes a process or executes a program; too many calls wait. */
export type EnterObstacle = "creates" | "too-many";

/** The memory behind one of the call's pointers. */
export interface RecordedMemory {
  /** The policy's name of the argument. */
  readonly name: string;
  readonly memory:
    | { readonly is: "text"; readonly bytes: Uint8Array }
    /** The `msg_controllen` of a message. */
    | { readonly is: "address"; readonly bytes: Uint8Array; readonly controlLength?: bigint }
    | { readonly is: "structure"; readonly bytes: Uint8Array }
    | {
        readonly is: "strings";
        readonly entries: readonly ShownEntry[];
        /** The entries for which a rule has given the verdict. */
        readonly refused?: readonly ShownEntry[];
      };
  /** Something was left out, because it is too long for a record; of a list: further entries. */
  readonly isCut: boolean;
}

/**
 * The result of a question (the verdict `ask`).
 *
 * | answered | the call |
 * | --- | --- |
 * | allowed | passed, because a person allowed it |
 * | allowed-before | passed, because the answer to an earlier equal call holds for it |
 * | denied | failed, because a person denied it |
 * | late | failed, because no answer came in time |
 * | too-many | failed without a question, because too many were open |
 */
export type Answered = "allowed" | "allowed-before" | "denied" | "late" | "too-many";

export interface JudgementRecord {
  readonly kind: "judgement";
  /** Milliseconds since the epoch, as `Date.now()` gives them; fractions are allowed. */
  readonly time: number;
  /** The thread group. */
  readonly pid: number;
  readonly tid: number;
  /** /proc/PID/comm at that time, if it could be read. */
  readonly command: string | undefined;
  /** `seccomp_data.arch`. */
  readonly architecture: number;
  readonly number: number;
  /** Six registers, 0 … 2^64 − 1 each. */
  readonly arguments: readonly bigint[];
  /**
   * An index into `PolicyDescription.verdicts`, or the reason why there is no verdict. Undefined for a record of
   * reports only, because the call passed or its verdict has its own record.
   */
  readonly verdict: number | Refusal | undefined;
  /** With a refusal that is a denial: its errno. */
  readonly errno?: number | undefined;
  /** With the refusals `unpinned` and `unheld`: why, and the errno of the kernel where one says more (0: none). */
  readonly pin?: { readonly why: PinObstacle; readonly errno: number } | undefined;
  /** With the refusal `unheld`. */
  readonly enter?: EnterObstacle | undefined;
  /** With the verdict of a room: the side that the call has waited for too long. */
  readonly late?: { readonly room: string; readonly side: string } | undefined;
  /** With the verdict `ask`: the answer. */
  readonly answered?: Answered | undefined;
  /** With the refusal `unserved`. */
  readonly hold?: HoldObstacle | undefined;
  /** The memory that the judgement was made on. */
  readonly memory?: readonly RecordedMemory[] | undefined;
  /** With the refusals `unseen-child`, `unpinned` and `unheld`. */
  readonly obstacle?: FollowObstacle | undefined;
  /** The verdict is a kill, and the kernel refused it with this errno: the call was denied with EPERM instead. */
  readonly notKilled?: number | undefined;
  /**
   * The values of the cells in `PolicyDescription.phases`, in that order, before the evaluation; empty if the engine does not
   * know them, or if there was no evaluation.
   */
  readonly phases: readonly number[];
  /** The reports of the evaluation. */
  readonly reports: readonly { readonly report: number; readonly values: readonly bigint[] }[];
  /** The verdict was only recorded, and the call passed (`run --audit`). */
  readonly audit: boolean;
  /** The number of calls that this record stands for (`gathering.ts`); 1 if it is absent. */
  readonly count?: number | undefined;
  /** The paths of a search, one for each call. */
  readonly paths?: readonly Uint8Array[] | undefined;
}

/** A message about the run itself. */
export interface NoticeRecord {
  readonly kind: "notice";
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** One sentence, no full stop. */
  readonly text: string;
  readonly dropped?: number | undefined;
}

/** SIGSYS has ended the command, or a child of a shell that was the command. */
export interface EndRecord {
  readonly kind: "end";
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** The command's first process. */
  readonly pid: number;
  /** portcullis's exit status. */
  readonly status: number;
  /** SIGSYS killed that process itself. */
  readonly isKilled: boolean;
  /** The call, if the kernel's audit records it. `architecture` is `seccomp_data.arch`. */
  readonly call: { readonly architecture: number; readonly number: number } | undefined;
  /** One sentence, no full stop. */
  readonly text: string;
}

/** A host that the tree may not reach. */
export interface HostRecord {
  readonly kind: "host";
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly refusal: HostRefusal;
}

/** The policy's declarations about objects have denied a request of a call: Landlock has, and the kernel's audit tells. */
export interface ObjectRecord {
  readonly kind: "object";
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** The thread group. The thread is not known. */
  readonly pid: number;
  readonly command: string;
  readonly architecture: number;
  readonly number: number;
  /** The first four registers. */
  readonly arguments: readonly bigint[];
  /** The call's. */
  readonly errno: number;
  /** An index into `PolicyDescription.objects`: the innermost layer that denies. */
  readonly layer: number;
  /** The rights that it lacks, in the kernel's words; at least one. */
  readonly blockers: readonly string[];
  readonly object: DeniedObject;
}

export interface DeniedObject {
  /** A path of the file system, or with a leading NUL the name of an abstract socket. */
  readonly path?: Uint8Array | undefined;
  readonly port?: number | undefined;
  readonly address?: string | undefined;
  /** The process to which a signal was sent. */
  readonly pid?: number | undefined;
}

export type EventRecord = JudgementRecord | NoticeRecord | EndRecord | HostRecord | ObjectRecord;

/** A right that a layer of declarations restricts. */
export interface DeclaredRight {
  /** In the words of the kernel's audit: `fs.read_file`. */
  readonly right: string;
  /** `files.read`. */
  readonly setting: string;
  readonly at: Location;
  /** The parameters of whose paths one more would have it. */
  readonly extendedBy?: readonly string[] | undefined;
}

export function describePolicy(program: Program): PolicyDescription {
  return {
    architecture: program.architecture,
    name: program.name,
    files: program.files,
    verdicts: program.verdicts,
    reports: program.reports,
    hosts: program.hosts,
    phases: program.cells.flatMap((cell, index) =>
      cell.kind.is === "phases" ? [{ cell: index, name: cell.name, names: cell.kind.names }] : [],
    ),
    objects: program.objects.map(declaredRights),
    ...(program.settings === undefined ? {} : { settings: program.settings }),
    ...(program.protectedNames === undefined ? {} : { protectedNames: program.protectedNames }),
  };
}

function declaredRights(layer: ObjectLayer): readonly DeclaredRight[] {
  const { files, tcp, udp, unix, scopes } = layer;
  const rights: DeclaredRight[] = [];
  const add = (right: string, setting: string, extendedBy?: readonly string[]) =>
    rights.push({
      ...{ right: right.replaceAll("-", "_"), setting, at: placeOfSetting(layer, setting) },
      ...(extendedBy === undefined ? {} : { extendedBy }),
    });
  if (files !== undefined) {
    for (const [right, list] of restrictedRights(files)) add(`fs.${right}`, `files.${list}`, files.settings?.[list]);
    add("fs.change_topology", "files");
  }
  if (unix !== undefined) add("fs.resolve_unix", "unix.connect");
  for (const use of ["bind", "connect"] as const) {
    if (tcp?.[use] !== undefined) add(`net.${use}_tcp`, `tcp.${use}`);
    if (udp?.[use] !== undefined) add(use === "bind" ? "net.bind_udp" : "net.connect_send_udp", `udp.${use}`);
  }
  for (const scope of scopes) add(scope === "signal" ? "scope.signal" : "scope.abstract_unix_socket", "scope");
  return rights;
}
