/**
 * The server of names in a tree's network: it answers for permitted names only, with an address that stands for the name, and
 * forwards no query. A connection to that address is one to the name.
 */
import { type Answer, decode, encode, type Packet, type Question } from "dns-packet";
import { normalHost } from "./names.ts";

/**
 * Addresses of 127.1.0.0/16 for names, given in order and never reused: a program may hold one for long. All are the loopback
 * device's.
 */
export class StandIns {
  readonly #addresses = new Map<string, string>();
  readonly #names = new Map<string, string>();

  /** Undefined if all are used: a wildcard permits names without end. */
  addressOf(name: string): string | undefined {
    const known = this.#addresses.get(name);
    if (known !== undefined) return known;
    const number = this.#addresses.size + 1;
    if (number >= mostNames) return undefined;
    const address = `127.1.${number >> 8}.${number & 255}`;
    this.#addresses.set(name, address);
    this.#names.set(address, name);
    return address;
  }

  nameOf(address: string): string | undefined {
    return this.#names.get(address);
  }
}

const mostNames = 1 << 16;

export interface DnsAnswer {
  readonly bytes: Uint8Array;
  /** The name that was refused. */
  readonly refused?: string;
}

/** Seconds. An address keeps its meaning as long as the tree runs. */
const timeToLive = 60;
const flags = { recursionDesired: 0x100, recursionAvailable: 0x80, authoritative: 0x400, operation: 0x7800 } as const;
const codes = { notImplemented: 4, noSuchName: 3 } as const;

/**
 * The answer to a query; undefined for bytes that are no query, which get no answer.
 *
 * @param lookUp the address of a permitted name in normal form
 */
export function answer(query: Uint8Array, lookUp: (name: string) => string | undefined): DnsAnswer | undefined {
  try {
    return answerTo(decode(Buffer.from(query)), lookUp);
  } catch {
    return undefined; // malformed, or its name cannot be encoded again
  }
}

function answerTo(query: Packet, lookUp: (name: string) => string | undefined): DnsAnswer | undefined {
  const [question, ...more] = query.questions ?? [];
  if (query.type !== "query" || question === undefined || more.length > 0) return undefined;
  const given = query.flags ?? 0;
  const respond = (code: number, answers: Answer[] = []): Uint8Array =>
    encode({
      type: "response",
      id: query.id ?? 0,
      flags: (given & flags.recursionDesired) | flags.recursionAvailable | flags.authoritative | code,
      questions: [question],
      answers,
    });
  if ((given & flags.operation) !== 0) return { bytes: respond(codes.notImplemented) };
  const name = isOfInternet(question) ? normalHost(question.name) : undefined;
  const address = name === undefined ? undefined : lookUp(name);
  const { type } = question;
  // Programs ask for both kinds of addresses at once: one event suffices.
  const refused = type === "AAAA" ? {} : { refused: question.name };
  if (address === undefined) return { bytes: respond(codes.noSuchName), ...refused };
  return { bytes: respond(0, type === "A" ? [{ type, name: question.name, ttl: timeToLive, data: address }] : []) };
}

function isOfInternet(question: Question): boolean {
  return question.class === undefined || question.class === "IN";
}
