/**
 * Reads the kernel's audit records of kills by seccomp: type AUDIT_SECCOMP (kernel/auditsc.c, `audit_seccomp`). Holders
 * of CAP_AUDIT_READ receive them, with or without auditd.
 */

import { statSync } from "node:fs";
import { callNumber } from "./call-numbers.ts";
import { close, pollFor } from "./descriptors.ts";
import { native } from "./native.ts";
import { closeOnExec } from "./open-numbers.ts";

const netlink = { family: 16, audit: 9 } as const; // AF_NETLINK, NETLINK_AUDIT
const rawSocket = 3 | closeOnExec | 0o4000; // SOCK_RAW, and SOCK_CLOEXEC and SOCK_NONBLOCK (include/linux/net.h)
const readLogGroup = 1; // AUDIT_NLGRP_READLOG
const seccompRecord = 1326; // AUDIT_SECCOMP
const headerSize = 16; // struct nlmsghdr
/** Inode of the initial pid namespace (`PROC_PID_INIT_INO`): audit records have ids of that namespace. */
const firstPidNamespace = 0xefff_fffc;

/** A call for which seccomp killed its caller. */
export interface AuditedKill {
  /** `AUDIT_ARCH_…`. */
  readonly architecture: number;
  readonly number: number;
}

export class AuditLog {
  readonly #socket: number;
  private constructor(socket: number) {
    this.#socket = socket;
  }

  /** Starts to receive. Undefined if the audit log cannot be read, or this process is in another pid namespace. */
  static open(): AuditLog | undefined {
    try {
      if (statSync("/proc/self/ns/pid").ino !== firstPidNamespace) return undefined;
    } catch {
      return undefined;
    }
    const { syscall } = native();
    const socket = syscall(callNumber("socket"), netlink.family, rawSocket, netlink.audit);
    if (socket < 0) return undefined;
    const address = new Uint32Array([netlink.family, 0, readLogGroup]); // struct sockaddr_nl
    if (syscall(callNumber("bind"), socket, address, address.byteLength) === 0) return new AuditLog(socket);
    close(socket);
    return undefined;
  }

  /** The call for which a process was killed; waits for its record for at most `patience` milliseconds. */
  killOf(pid: number, patience: number): AuditedKill | undefined {
    const until = performance.now() + patience;
    const buffer = new Uint8Array(8970); // MAX_AUDIT_MESSAGE_LENGTH
    let last: AuditedKill | undefined;
    for (;;) {
      const count = native().syscall(callNumber("recvfrom"), this.#socket, buffer, buffer.length, 0, null, null);
      if (count > 0) {
        const kill = parseSeccompRecord(buffer.subarray(0, count));
        // If several threads were killed, the last kill ended the process.
        if (kill?.pid === pid) last = kill;
        continue;
      }
      const left = until - performance.now();
      if (last !== undefined || left <= 0) return last;
      pollFor([this.#socket], left);
    }
  }

  close(): void {
    close(this.#socket);
  }
}

/**
 * A name is quoted, or in hexadecimal if it contains quotation marks, spaces or control characters
 * (`audit_log_untrustedstring`).
 */
const seccompText =
  / pid=(\d+) comm=(?:"[^"]*"|[0-9A-F]+) exe=(?:"[^"]*"|[0-9A-F]+|\(null\)) sig=31 arch=([0-9a-f]+) syscall=(-?\d+) /;

/** Parses a netlink message of the audit subsystem; undefined if it is not a kill or a trap. */
export function parseSeccompRecord(message: Uint8Array): (AuditedKill & { readonly pid: number }) | undefined {
  if (message.length < headerSize) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (view.getUint16(4, true) !== seccompRecord) return undefined;
  const match = seccompText.exec(Buffer.from(message.subarray(headerSize)).toString("latin1"));
  if (match === null) return undefined;
  return { pid: Number(match[1]), architecture: Number.parseInt(match[2]!, 16), number: Number(match[3]) };
}
