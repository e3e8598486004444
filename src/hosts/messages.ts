/** What the process of a proxy gets at its start, and its messages: JSON, one object a line. */
import type { HostRefusal } from "./refusal.ts";
import type { HostList } from "./rules.ts";

/** A descriptor that the process inherits. `address`: connections to addresses that stand for names, or to others. */
export interface ProxySocket {
  readonly descriptor: number;
  readonly use: "proxy" | "address" | "names";
  /** Of datagrams. */
  readonly family?: "udp4" | "udp6";
}

export interface ProxyOrder {
  readonly lists: readonly HostList[];
  readonly sockets: readonly ProxySocket[];
  /** Without sockets: the ports of 127.0.0.1 of which it takes the first that is free. */
  readonly ports: readonly number[];
  /** The path of the addon, by which the process hides from the tree. */
  readonly addon: string;
}

export type ProxyMessage =
  /** `port`: the one that it has taken. */
  | { readonly kind: "ready"; readonly port: number }
  | { readonly kind: "refused"; readonly refusal: HostRefusal }
  /** Refusals that were too many to report. */
  | { readonly kind: "dropped"; readonly count: number };

/** A message from a line. The process reads what a tree sends, so the line is not trusted. */
export function parseMessage(line: string): ProxyMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("kind" in value)) return undefined;
  if (value.kind === "ready" && "port" in value && typeof value.port === "number")
    return { kind: "ready", port: value.port };
  if (value.kind === "dropped" && "count" in value && typeof value.count === "number")
    return { kind: "dropped", count: value.count };
  if (value.kind !== "refused" || !("refusal" in value)) return undefined;
  const refusal = value.refusal as Partial<Record<keyof HostRefusal, unknown>> | null;
  if (typeof refusal !== "object" || refusal === null) return undefined;
  const { host, port, route, reason, rule } = refusal;
  if (typeof host !== "string" || typeof reason !== "string" || !isRoute(route)) return undefined;
  return {
    kind: "refused",
    refusal: {
      ...{ host, route, reason },
      ...(typeof port === "number" ? { port } : {}),
      ...(typeof rule === "string" ? { rule } : {}),
    },
  };
}

function isRoute(value: unknown): value is HostRefusal["route"] {
  return ["connect", "http", "socks", "address", "names"].includes(value as string);
}
