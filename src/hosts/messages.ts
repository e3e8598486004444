/** What the process of a proxy gets at its start, and its messages: JSON, one object a line. */
import { type HostAnswer, type HostQuestion, type HostRefusal, hostAnswers } from "./refusal.ts";
import type { HostList } from "./rules.ts";

/** A descriptor that the process inherits. `address`: connections to addresses that stand for names, or to others. */
export interface ProxySocket {
  readonly descriptor: number;
  readonly use: "proxy" | "address" | "names";
  /** The family of datagrams; absent for streams. */
  readonly family?: "udp4" | "udp6";
}

export interface ProxyOrder {
  readonly lists: readonly HostList[];
  readonly sockets: readonly ProxySocket[];
  /** Without sockets: the ports of 127.0.0.1 of which it takes the first that is free. */
  readonly ports: readonly number[];
  /** The path of the addon, by which the process hides from the tree. */
  readonly addon: string;
  /** A person is asked about names that no entry permits. */
  readonly asks: boolean;
}

/** The answer to a question, on a line after the order. */
export interface ProxyAnswer {
  readonly question: number;
  readonly answer: HostAnswer;
}

/** Undefined for a line that is no answer. */
export function parseAnswer(line: string): ProxyAnswer | undefined {
  const { question, answer } = JSON.parse(line) as { readonly question?: unknown; readonly answer?: unknown };
  const known = hostAnswers.find((one) => one === answer);
  return typeof question === "number" && known !== undefined ? { question, answer: known } : undefined;
}

export type ProxyMessage =
  /** `port`: the one that it has taken. */
  | { readonly kind: "ready"; readonly port: number }
  | { readonly kind: "refused"; readonly refusal: HostRefusal }
  | { readonly kind: "asks"; readonly question: number; readonly about: HostQuestion }
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
  if (value.kind === "asks") return parseQuestion(value);
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

function parseQuestion(value: object): ProxyMessage | undefined {
  const { question, about } = value as { readonly question?: unknown; readonly about?: unknown };
  if (typeof question !== "number" || typeof about !== "object" || about === null) return undefined;
  const { host, port, route, reason, rule } = about as Partial<Record<keyof HostQuestion, unknown>>;
  if (typeof host !== "string" || typeof port !== "number" || !isRoute(route)) return undefined;
  if (typeof reason !== "string" || typeof rule !== "string") return undefined;
  return { kind: "asks", question, about: { host, port, route, reason, rule } };
}

function isRoute(value: unknown): value is HostRefusal["route"] {
  return ["connect", "http", "socks", "address", "names"].includes(value as string);
}
