/**
 * Decides whether a process that has connected may be served: one with this agent's rights, which is not confined. An agent
 * acts for the trees that it supervises (it reads their memory, opens files for them), so it must not act for a process
 * that has fewer rights than itself.
 */
import { statSync } from "node:fs";
import { close } from "../../linux/descriptors.ts";
import { readProc } from "../../linux/proc.ts";
import { openPeer, peerOf, stillRuns } from "../../status/peer.ts";
import type { FileIdentity, RequestHeader } from "./protocol.ts";

/** The rights of this process, and the files by which it names others. They do not change while it runs. */
export interface Own {
  readonly rights: Rights | undefined;
  readonly identities: Readonly<Record<keyof typeof identifying, FileIdentity | undefined>>;
}

const identifying = {
  mounts: "/proc/self/ns/mnt",
  processes: "/proc/self/ns/pid",
  users: "/proc/self/ns/user",
  root: "/",
} as const;

export function examineSelf(): Own {
  const identities = Object.entries(identifying).map(([name, path]) => [name, identityOf(path)]);
  return { rights: parseRights(readProc("self/status") ?? ""), identities: Object.fromEntries(identities) };
}

/** The client's process id; undefined if it may not be served, or has ended. */
export function examineClient(connection: number, own: Own): number | undefined {
  const peer = peerOf(connection);
  if (peer === undefined || peer.pid === 0) return undefined;
  // Without a pidfd (before Linux 6.5) the id can be another process's by now.
  const pidfd = openPeer(connection);
  if (pidfd < 0) return undefined;
  try {
    const its = parseRights(readProc(`${peer.pid}/status`) ?? "");
    const isServed = its !== undefined && own.rights !== undefined && hasRightsOf(its, own.rights);
    return isServed && stillRuns(pidfd) ? peer.pid : undefined;
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
