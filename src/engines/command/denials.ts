/**
 * Turns the denials of the policy's Landlock domains into events, from the records of the kernel's audit. A denial is a record
 * of the request, which names a domain; with the first one of a domain comes a record that says who made it; the record of
 * the call comes last. Records of other domains are ignored.
 *
 * The domains of a run are recognised by their maker: the command's process, while it executed the launcher, under a name
 * with a random label (native/launcher/layers.h). A process of the tree that makes domains does not know the label, and its
 * own records, which CAP_AUDIT_WRITE permits, have other types.
 */

import { realpathSync } from "node:fs";
import { type AccessRecord, type CallRecord, parseAuditRecord } from "../../abi/audit-records.ts";
import { callNumber } from "../../abi/call-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { kernelOfAbi } from "../../abi/landlock.ts";
import type { EventRecord } from "../../events/record.ts";
import { AuditLog, auditStatus, auditText } from "../../machine/audit.ts";
import { native, nativeFile } from "../../machine/native.ts";
import type { Finding } from "../engine/finding.ts";

/** Milliseconds between reads, and how long the end of a run waits for records: without a denial, and for the domains' ends. */
const pause = 50;
const patience = { least: 20, most: 300 } as const;
const mostAtOnce = 4096;
/** The most calls whose requests have come before the record of the call. */
const mostCalls = 1024;
/** The most requests of one call: kill(2) can be denied for each process. */
const mostRequests = 64;

export interface AuditMessages {
  receive(): Uint8Array | "lost" | undefined;
  close(): void;
}

interface Maker {
  readonly label: number;
  /** The launcher's file. */
  readonly program: string;
}

export class DenialWatch {
  readonly label: number;
  readonly #messages: AuditMessages;
  readonly #program: string;
  /** How many records the kernel has lost since it booted; undefined if it does not tell. */
  readonly #lost: () => number | undefined;
  readonly #lostBefore: number;
  /** The layer of each domain of this run, and how many of its denials became events. */
  readonly #domains = new Map<string, { readonly layer: number; events: number; hasEnded: boolean }>();
  /** By serial number. */
  readonly #requests = new Map<string, AccessRecord[]>();
  #pid = 0;
  #onEvent: (record: EventRecord) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  /** Denials of this run's domains without an event. */
  #missing = 0;
  #hasOverflowed = false;

  constructor(messages: AuditMessages, { label, program }: Maker, lost: () => number | undefined = () => undefined) {
    this.#messages = messages;
    this.label = label;
    this.#program = program;
    this.#lost = lost;
    this.#lostBefore = lost() ?? 0;
  }

  /** Undefined if the audit cannot be read or is known to be off. Call it before the command starts. */
  static open(): DenialWatch | undefined {
    const log = AuditLog.open();
    if (log === undefined) return undefined;
    const status = auditStatus();
    if (status?.isEnabled === false) {
      log.close();
      return undefined;
    }
    log.enlarge();
    const label = new Uint32Array(1);
    while (label[0] === 0) native().syscall(callNumber("getrandom"), label, label.byteLength, 0);
    const maker = { label: label[0]!, program: realpathSync.native(nativeFile("launcher")) };
    return new DenialWatch(log, maker, () => auditStatus()?.lost);
  }

  /** `pid`: the command's process. */
  start(pid: number, onEvent: (record: EventRecord) => void): void {
    this.#pid = pid;
    this.#onEvent = onEvent;
    this.#timer = setInterval(() => this.read(), pause);
    this.#timer.unref();
  }

  /** Reads the new records; only a part of a flood, so that other work goes on. */
  read(): void {
    for (let count = 0; count < mostAtOnce; count++) {
      const message = this.#messages.receive();
      if (message === undefined) return;
      if (message === "lost") this.#hasOverflowed = true;
      else this.#take(message);
    }
  }

  /** Waits for the last records of a tree that has ended, and tells what is missing. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
    const begin = performance.now();
    for (;;) {
      this.read();
      const waited = performance.now() - begin;
      const areOver = [...this.#domains.values()].every(({ hasEnded }) => hasEnded);
      if (waited >= (areOver ? patience.least : patience.most)) break;
      await new Promise((wake) => setTimeout(wake, 5));
    }
    this.#messages.close();
    const left = [...this.#requests.values()].flat();
    this.#missing += left.filter(({ domain }) => this.#domains.get(domain)?.hasEnded === false).length;
    this.#tell("denials by Landlock have no event: the kernel's audit has no record of their call", this.#missing);
    const lost = (this.#lost() ?? 0) - this.#lostBefore;
    this.#tell("records of the kernel's audit were lost: denials by Landlock may have no event", lost);
    if (this.#hasOverflowed && lost === 0)
      this.#notice("records of the kernel's audit came too fast: denials by Landlock may have no event");
  }

  /** If no command was started. */
  close(): void {
    clearInterval(this.#timer);
    this.#messages.close();
  }

  #take(message: Uint8Array): void {
    const read = auditText(message);
    const record = read === undefined ? undefined : parseAuditRecord(read.type, read.text);
    switch (record?.is) {
      case "access": {
        const requests = this.#requests.get(record.serial) ?? [];
        this.#requests.set(record.serial, requests);
        if (requests.length < mostRequests) requests.push(record);
        if (this.#requests.size > mostCalls) this.#forget();
        break;
      }
      case "domain": {
        const layer = this.#layerOf(record.name);
        const isOurs = layer !== undefined && record.pid === this.#pid && record.program === this.#program;
        // A reader of the audit knows the label from then on.
        const isKnown = [...this.#domains.values()].some((known) => known.layer === layer);
        if (isOurs && !isKnown) this.#domains.set(record.domain, { layer, events: 0, hasEnded: false });
        break;
      }
      case "domain-end": {
        const domain = this.#domains.get(record.domain);
        if (domain === undefined || domain.hasEnded) break;
        domain.hasEnded = true;
        this.#missing += Math.max(0, record.denials - domain.events);
        break;
      }
      case "call": {
        const requests = this.#requests.get(record.serial) ?? [];
        this.#requests.delete(record.serial);
        for (const request of requests) this.#emit(request, record);
        break;
      }
    }
  }

  #emit({ domain, blockers, path, port, address, other }: AccessRecord, call: CallRecord): void {
    const ours = this.#domains.get(domain);
    if (ours === undefined) return;
    ours.events++;
    const { time, pid, command, architecture, number, result = 0 } = call;
    // A signal to several processes can reach some.
    const usual = blockers[0]!.startsWith("scope.") ? errno.EPERM : errno.EACCES;
    this.#onEvent({
      ...({ kind: "object", time, pid, command, architecture, number, arguments: call.arguments } as const),
      errno: result < 0 ? -result : usual,
      ...{ layer: ours.layer, blockers, object: { path, port, address, pid: other } },
    });
  }

  /** The layer of a domain that a thread of this name has made. */
  #layerOf(name: string): number | undefined {
    const [, label, layer] = /^pcl-([0-9a-f]{8})-([0-7])$/.exec(name) ?? [];
    return label !== undefined && Number.parseInt(label, 16) === this.label ? Number(layer) : undefined;
  }

  /** The oldest request, whose call has no record: of io_uring, or by a rule of the audit. */
  #forget(): void {
    for (const [serial, requests] of this.#requests) {
      this.#requests.delete(serial);
      this.#missing += requests.filter(({ domain }) => this.#domains.has(domain)).length;
      return;
    }
  }

  #tell(text: string, dropped: number): void {
    if (dropped > 0) this.#onEvent({ kind: "notice", time: Date.now(), text, dropped });
  }

  #notice(text: string): void {
    this.#onEvent({ kind: "notice", time: Date.now(), text });
  }
}

/** Whether denials by Landlock become events here. `abi`: the kernel's level of Landlock. */
export function examineDenials(abi: number): Finding {
  const silent = (why: string): Finding => ({
    state: "note",
    what: "denials of files, ports and scopes are no events: EACCES alone tells the program",
    help: why,
  });
  if (abi < logsAbi) return silent(`Landlock tells the kernel's audit since Linux ${kernelOfAbi[logsAbi]}`);
  const log = AuditLog.open();
  if (log === undefined) return silent("reading the kernel's audit needs CAP_AUDIT_READ in the first pid namespace");
  log.close();
  const status = auditStatus();
  if (status?.isEnabled === false)
    return silent("the kernel's audit is off; `auditctl -e 1` or audit=1 on the kernel's command line turns it on");
  const isUnknown = status === undefined ? ", if it is on: only CAP_AUDIT_CONTROL can tell" : "";
  return { state: "fine", what: `denials of files, ports and scopes are events (the kernel's audit${isUnknown})` };
}

/** The level whose denials the audit has. */
const logsAbi = 7;
