/** What the proxy refuses, for an event, and what it asks a person. */

/** How a program asked: by a proxy's protocol, by a connection to an address, or for the address of a name. */
export type HostRoute = "connect" | "http" | "socks" | "address" | "names";

export interface HostRefusal {
  /** In normal form, or as the program wrote it if it has none. */
  readonly host: string;
  /** Absent for a name's address. */
  readonly port?: number;
  readonly route: HostRoute;
  readonly reason: string;
  /** The list without an entry for the host. */
  readonly rule?: string;
}

/** A name that no entry permits, and about which a person decides. */
export interface HostQuestion {
  /** In normal form. */
  readonly host: string;
  readonly port: number;
  readonly route: HostRoute;
  readonly reason: string;
  readonly rule: string;
}

/** "late": no answer came in time. "too-many": too many questions were open. */
export const hostAnswers = ["allowed", "denied", "late", "too-many"] as const;
export type HostAnswer = (typeof hostAnswers)[number];
