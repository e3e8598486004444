/**
 * Decides whether a process that has connected may be served: one with this agent's rights, which is not confined. An agent
 * acts for the trees that it supervises (it reads their memory, opens files for them), so it must not act for a process
 * that has fewer rights than itself. To another user, whom root permits, it gives less: policies that open nothing for
 * the tree, and none of the names that the client gives (server.ts).
 */
import { readlinkSync, statSync } from "node:fs";
import { close } from "../../machine/descriptors.ts";
import { readProc } from "../../machine/proc.ts";
import { openPeer, peerOf, stillRuns } from "../../observe/status/peer.ts";
import type { FileIdentity, RequestHeader } from "./protocol.ts";
import { isPermitted, type PermittedUsers } from "./users.ts";

/** The rights of this process, and the files by which it names others. They do not change while it runs. */
export interface Own {
  readonly rights: Rights | undefined;
  readonly identities: Readonly<Record<keyof typeof identifying, FileIdentity | undefined>>;
  readonly user: number;
  /** As the kernel names them. */
  readonly namespaces: readonly (string | undefined)[];
}

export interface Client {
  readonly pid: number;
  /** Undefined if it has this agent's rights. */
  readonly otherUser: number | undefined;
}

const identifying = {
  mounts: "/proc/self/ns/mnt",
  processes: "/proc/self/ns/pid",
  users: "/proc/self/ns/user",
  root: "/",
} as const;

export function examineSelf(): Own {
  const identities = Object.entries(identifying).map(([name, path]) => [name, identityOf(path)]);
  return {
    rights: parseRights(readProc("self/status") ?? ""),
    identities: Object.fromEntries(identities),
    user: process.geteuid?.() ?? 0,
    namespaces: namespacesOf("self"),
  };
}

/** Those that give numbers their meaning. A name of another user's file means nothing to this agent. */
function namespacesOf(task: number | "self"): readonly (string | undefined)[] {
  return ["pid", "user"].map((name) => {
    try {
      return readlinkSync(`/proc/${task}/ns/${name}`);
    } catch {
      return undefined;
    }
  });
}

/** Undefined if it may not be served, or has ended. */
export function examineClient(connection: number, own: Own, permitted: PermittedUsers): Client | undefined {
  const peer = peerOf(connection);
  if (peer === undefined || peer.pid === 0) return undefined;
  const isOther = peer.uid !== own.user;
  // Before anything else, because every user can connect again and again.
  if (isOther && permitted.groups.size === 0 && !permitted.users.has(peer.uid)) return undefined;
  // Without a pidfd (before Linux 6.5) the id can be another process's by now.
  const pidfd = openPeer(connection);
  if (pidfd < 0) return undefined;
  try {
    const its = parseRights(readProc(`${peer.pid}/status`) ?? "");
    if (its === undefined || own.rights === undefined) return undefined;
    const isServed = isOther ? isOrdinary(peer.pid, peer.uid, its, own, permitted) : hasRightsOf(its, own.rights);
    return isServed && stillRuns(pidfd) ? { pid: peer.pid, otherUser: isOther ? peer.uid : undefined } : undefined;
  } finally {
    close(pidfd);
  }
}

/** The lines of /proc/PID/status about rights. */
export interface Rights {
  /** Real, effective, saved and of the file system; then the same of groups. */
  readonly ids: string;
  readonly groups: ReadonlySet<string>;
  readonly capabilities: bigint;
  readonly noNewPrivileges: boolean;
  readonly filters: number;
}

/** Undefined if a field is missing. */
export function parseRights(status: string): Rights | undefined {
  const field = (name: string) => new RegExp(`^${name}:\\t(.*)$`, "m").exec(status)?.[1];
  const [users, groups, capabilities] = [field("Uid"), field("Gid"), field("CapEff")];
  const [noNewPrivileges, filters] = [field("NoNewPrivs"), field("Seccomp_filters")];
  if (users === undefined || groups === undefined || capabilities === undefined) return undefined;
  if (noNewPrivileges === undefined || filters === undefined) return undefined;
  return {
    ids: `${users} ${groups}`.trim(),
    groups: new Set([...(field("Groups") ?? "").split(/\s+/), ...groups.split(/\s+/)].filter((one) => one !== "")),
    capabilities: BigInt(`0x${capabilities}`),
    noNewPrivileges: noNewPrivileges !== "0",
    filters: Number(filters),
  };
}

/** Whether a process of another user is permitted, as unconfined as this one, and has no other user's rights. */
function isOrdinary(pid: number, user: number, its: Rights, own: Own, permitted: PermittedUsers): boolean {
  const namespaces = namespacesOf(pid);
  return (
    isPermitted(permitted, user, its.groups) &&
    isOfUser(its, user) &&
    its.capabilities === 0n &&
    !its.noNewPrivileges &&
    its.filters === own.rights!.filters &&
    namespaces.every((one, index) => one !== undefined && one === own.namespaces[index])
  );
}

/** Whether its real, effective, saved user and that of the file system are this one. A setuid program has several. */
export function isOfUser({ ids }: Rights, user: number): boolean {
  return ids
    .split(/\s+/)
    .slice(0, 4)
    .every((one) => one === String(user));
}

/** Landlock's domains are not in that file, but an ordinary process enters one only after no_new_privs. */
export function hasRightsOf(its: Rights, own: Rights): boolean {
  const sameGroups = its.groups.size === own.groups.size && [...its.groups].every((one) => own.groups.has(one));
  return (
    its.ids === own.ids &&
    sameGroups &&
    (own.capabilities & ~its.capabilities) === 0n &&
    !its.noNewPrivileges &&
    its.filters === own.filters
  );
}

/** Undefined if the file cannot be seen. */
export function identityOf(path: string): FileIdentity | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  // The C library packs dev_t in this way: makedev(3).
  const major = ((stat.dev >> 8n) & 0xfffn) | ((stat.dev >> 32n) & 0xffff_f000n);
  const minor = (stat.dev & 0xffn) | ((stat.dev >> 12n) & 0xffff_ff00n);
  return `${Number(major)}:${Number(minor)} ${stat.ino}`;
}

/** Whether names of files and ids of processes and users mean the same to this client, as it says itself. */
export function seesTheSame({ identities }: RequestHeader, own: Own): boolean {
  const names = Object.keys(identifying) as (keyof typeof identifying)[];
  return names.every((name) => own.identities[name] !== undefined && identities[name] === own.identities[name]);
}
