/**
 * Reads the kernel's audit records: of kills by seccomp (AUDIT_SECCOMP; kernel/auditsc.c, `audit_seccomp`), and others that
 * audit-records.ts parses. Holders of CAP_AUDIT_READ receive them, with or without auditd.
 */

import { statSync } from "node:fs";
import { auditTypes } from "../abi/audit-records.ts";
import { callNumber } from "../abi/call-numbers.ts";
import { closeOnExec } from "../abi/open-numbers.ts";
import { close, pollFor } from "./descriptors.ts";
import { native } from "./native.ts";

const netlink = { family: 16, audit: 9 } as const; // AF_NETLINK, NETLINK_AUDIT
const rawSocket = 3 | closeOnExec | 0o4000; // SOCK_RAW, and SOCK_CLOEXEC and SOCK_NONBLOCK (include/linux/net.h)
const readLogGroup = 1; // AUDIT_NLGRP_READLOG
const getStatus = 1000; // AUDIT_GET
const statusSize = 40; // struct audit_status of Linux 3.18 and later, whose first words these are
const noRoom = 105; // ENOBUFS: records did not fit into the socket's buffer
const bufferSize = { level: 1, name: 33, bytes: 4 << 20 } as const; // SOL_SOCKET, SO_RCVBUFFORCE
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
  readonly #buffer = new Uint8Array(8970); // MAX_AUDIT_MESSAGE_LENGTH
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

  /** For the records of a whole run: needs CAP_NET_ADMIN, without which the buffer stays small. */
  enlarge(): void {
    const { level, name, bytes } = bufferSize;
    const value = new Int32Array([bytes]);
    native().syscall(callNumber("setsockopt"), this.#socket, level, name, value, value.byteLength);
  }

  /** The next message of the kernel, valid until the next call; "lost" if some did not fit; undefined if there is none now. */
  receive(): Uint8Array | "lost" | undefined {
    const count = receiveFromKernel(this.#socket, this.#buffer);
    if (count === -noRoom) return "lost";
    return count > 0 ? this.#buffer.subarray(0, count) : undefined;
  }

  /** The call for which a process was killed; waits for its record for at most `patience` milliseconds. */
  killOf(pid: number, patience: number): AuditedKill | undefined {
    const until = performance.now() + patience;
    let last: AuditedKill | undefined;
    for (;;) {
      const message = this.receive();
      if (message === "lost") continue;
      if (message !== undefined) {
        const kill = parseSeccompRecord(message);
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

/** The size of the next message of the kernel, or a negative errno. */
function receiveFromKernel(socket: number, buffer: Uint8Array): number {
  const sender = new Uint32Array(3); // struct sockaddr_nl
  for (;;) {
    const length = new Uint32Array([sender.byteLength]);
    const count = native().syscall(callNumber("recvfrom"), socket, buffer, buffer.length, 0, sender, length);
    // The kernel is 0. A process with CAP_NET_ADMIN can send here, too.
    if (count <= 0 || sender[1] === 0) return count;
  }
}

export interface AuditStatus {
  readonly isEnabled: boolean;
  /**
   * The number of lost records since the machine's start. Undefined without a daemon: the kernel then prints the records to its
   * log, and counts those that the limit of the log's rate omits, although they are sent here.
   */
  readonly lost: number | undefined;
}

/** The state of the kernel's audit. Undefined without CAP_AUDIT_CONTROL, which is required to ask. */
export function auditStatus(): AuditStatus | undefined {
  const { syscall } = native();
  const socket = syscall(callNumber("socket"), netlink.family, rawSocket, netlink.audit);
  if (socket < 0) return undefined;
  try {
    const request = new Uint32Array([headerSize, getStatus | (1 << 16), 1, 0]); // NLM_F_REQUEST
    const kernel = new Uint32Array([netlink.family, 0, 0]);
    const sent = syscall(callNumber("sendto"), socket, request, headerSize, 0, kernel, kernel.byteLength);
    const reply = new Uint8Array(256);
    pollFor([socket], 1000);
    const count = receiveFromKernel(socket, reply);
    const view = new DataView(reply.buffer);
    if (sent < 0 || count < headerSize + statusSize || view.getUint16(4, true) !== getStatus) return undefined;
    const word = (at: number) => view.getUint32(headerSize + at, true);
    return { isEnabled: word(4) !== 0, lost: word(12) === 0 ? undefined : word(24) };
  } finally {
    close(socket);
  }
}

/** The type and the text of a netlink message of the audit subsystem. */
export function auditText(message: Uint8Array): { readonly type: number; readonly text: string } | undefined {
  if (message.length < headerSize) return undefined;
  const type = new DataView(message.buffer, message.byteOffset, message.byteLength).getUint16(4, true);
  return { type, text: Buffer.from(message.subarray(headerSize)).toString("latin1").replace(/\0+$/, "") };
}

/**
 * A name is quoted, or in hexadecimal if it contains quotation marks, spaces or control characters
 * (`audit_log_untrustedstring`).
 */
const seccompText =
  / pid=(\d+) comm=(?:"[^"]*"|[0-9A-F]+) exe=(?:"[^"]*"|[0-9A-F]+|\(null\)) sig=31 arch=([0-9a-f]+) syscall=(-?\d+) /;

/** Parses a netlink message of the audit subsystem; undefined if it is not a kill or a trap. */
export function parseSeccompRecord(message: Uint8Array): (AuditedKill & { readonly pid: number }) | undefined {
  const read = auditText(message);
  if (read?.type !== auditTypes.seccomp) return undefined;
  const match = seccompText.exec(read.text);
  if (match === null) return undefined;
  return { pid: Number(match[1]), architecture: Number.parseInt(match[2]!, 16), number: Number(match[3]) };
}
