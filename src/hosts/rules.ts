/** Which hosts a tree may reach: every list must have an entry for the host and the port. */
import { isIP } from "node:net";
import { type HostPattern, isLocalName, matches } from "./names.ts";

/** One list: of `--hosts`, or of the `hosts` of a policy. */
export interface HostList {
  readonly patterns: readonly HostPattern[];
  /** "--hosts" or "agent.ts:3:9": its place in events. */
  readonly rule: string;
}

/** The first list without an entry for this host and port; undefined if the host is permitted. */
export function refusingList(lists: readonly HostList[], host: string, port: number): HostList | undefined {
  return lists.find(({ patterns }) => !patterns.some((one) => one.ports.includes(port) && matches(one, host)));
}

/** Whether every list has an entry for the host, on any port: its name has an address. */
export function isKnown(lists: readonly HostList[], host: string): boolean {
  return lists.every(({ patterns }) => patterns.some((one) => matches(one, host)));
}

/**
 * Whether a permitted host may lead to any address: it is an address, or means this machine, and the lists say so. A
 * wildcard does not: `*.localhost` permits no connection to this machine.
 */
export function isListedLiterally(lists: readonly HostList[], host: string): boolean {
  return (
    (isIP(host) !== 0 || isLocalName(host)) &&
    lists.every(({ patterns }) => patterns.some((one) => !one.below && one.host === host))
  );
}

/** The names of exact entries that are permitted on the port. */
export function namesOn(lists: readonly HostList[], port: number): readonly string[] {
  const names = lists.flatMap(({ patterns }) => patterns.flatMap(({ host, below }) => (below ? [] : [host])));
  return [...new Set(names)].filter((name) => isIP(name) === 0 && refusingList(lists, name, port) === undefined);
}

/** A listed name of this machine that is permitted on the port. */
export function localNameOn(lists: readonly HostList[], port: number): string | undefined {
  return namesOn(lists, port).find(isLocalName);
}

/** All ports on which a host is permitted, in order. */
export function portsOf(lists: readonly HostList[]): readonly number[] {
  const all = lists.flatMap(({ patterns }) => patterns.flatMap(({ ports }) => ports));
  return [...new Set(all)]
    .filter((port) => lists.every(({ patterns }) => patterns.some(({ ports }) => ports.includes(port))))
    .sort((a, b) => a - b);
}
