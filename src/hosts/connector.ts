/** Connects to permitted hosts: a name is resolved once, and the connection is to an address that was examined. */
import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import { isPublic } from "./addresses.ts";
import { isLocalName, normalHost } from "./names.ts";
import type { HostAnswer, HostQuestion, HostRefusal, HostRoute } from "./refusal.ts";
import { type HostList, isListedLiterally, namesOn, refusingList } from "./rules.ts";

export interface ConnectorOptions {
  readonly lists: readonly HostList[];
  readonly onRefused: (refusal: HostRefusal) => void;
  /** Asks a person about a name that no entry permits. Undefined: such a name is refused. */
  readonly ask?: ((question: HostQuestion) => Promise<HostAnswer>) | undefined;
  /** For tests: the addresses of a name; by default getaddrinfo(3). */
  readonly resolve?: ((name: string) => Promise<readonly string[]>) | undefined;
  /** For tests. */
  readonly isPublic?: ((address: string) => boolean) | undefined;
}

/** A refused host, or one that could not be reached, which is no event. */
export class HostError extends Error {
  readonly isRefused: boolean;
  constructor(message: string, isRefused: boolean) {
    super(message);
    this.isRefused = isRefused;
  }
}

const unanswered: { readonly [A in Exclude<HostAnswer, "allowed">]: string } = {
  denied: "a person denied it",
  late: "no answer came in time",
  "too-many": "too many questions are open",
};

/** Milliseconds for each address of a host. */
const connectTime = 15_000;
const mostAddresses = 4;
/** Names that are resolved to find the one of an address. */
const mostNames = 32;

export class Connector {
  readonly #options: ConnectorOptions;
  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /** @throws HostError */
  async connect(given: string, port: number, route: HostRoute): Promise<Socket> {
    const addresses = await this.#addressesOf(await this.#permitted(given, port, route), port, route);
    let last: unknown;
    for (const address of addresses.slice(0, mostAddresses)) {
      try {
        return await connected(address, port);
      } catch (error) {
        last = error;
      }
    }
    throw new HostError(`${given}:${port} cannot be reached: ${messageOf(last)}`, false);
  }

  /** The host in normal form. @throws HostError */
  async #permitted(given: string, port: number, route: HostRoute): Promise<string> {
    const host = normalHost(given);
    const refusal = { host: host ?? given, port, route };
    if (host === undefined) throw this.refuse({ ...refusal, reason: "this is no name and no address of a host" });
    const list = refusingList(this.#options.lists, host, port);
    if (list === undefined) return host;
    const { rule } = list;
    const reason = `no entry permits ${isIP(host) === 0 ? "this host" : "this address"} on port ${port}`;
    const { ask } = this.#options;
    // An address says nothing to a person, and a local name leads to this machine.
    if (ask === undefined || isIP(host) !== 0 || isLocalName(host)) throw this.refuse({ ...refusal, reason, rule });
    const answer = await ask({ host, port, route, reason, rule });
    if (answer === "allowed") return host;
    throw this.refuse({ ...refusal, reason: `${reason}, and ${unanswered[answer]}`, rule });
  }

  /**
   * The name of an exact entry that leads to the address now: a program may have asked a server of names by a Unix socket
   * (nscd, systemd-resolved), which the tree's own network does not replace.
   */
  async nameLeadingTo(address: string, port: number): Promise<string | undefined> {
    const { lists, resolve = resolveByLibrary } = this.#options;
    for (const name of namesOn(lists, port).slice(0, mostNames)) {
      const found = await resolve(name).catch(() => []);
      if (found.some((one) => normalHost(one) === address)) return name;
    }
    return undefined;
  }

  refuse(refusal: HostRefusal): HostError {
    this.#options.onRefused(refusal);
    const { host, port, reason, rule } = refusal;
    const where = port === undefined ? host : `${host}:${port}`;
    return new HostError(`${where}: ${reason}${rule === undefined ? "" : ` (${rule})`}`, true);
  }

  async #addressesOf(host: string, port: number, route: HostRoute): Promise<readonly string[]> {
    const { lists, resolve = resolveByLibrary, isPublic: mayReach = isPublic } = this.#options;
    const isLiteral = isListedLiterally(lists, host);
    if (isIP(host) !== 0) {
      if (isLiteral) return [host];
      throw this.refuse({ host, port, route, reason: "an address is permitted only if it is listed itself" });
    }
    if (isLocalName(host) && isLiteral) return ["127.0.0.1", "::1"];
    const found = await resolve(host).catch((error: unknown) => {
      throw new HostError(`${host} has no address: ${messageOf(error)}`, false);
    });
    const permitted = found.filter((one) => mayReach(one) || refusingList(lists, one, port) === undefined);
    if (permitted.length > 0) return permitted;
    const reason = `the name leads to ${found.join(", ")}, which is not public; list the address itself to permit it`;
    throw this.refuse({ host, port, route, reason });
  }
}

async function resolveByLibrary(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

function connected(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true, keepAlive: true });
    const timer = setTimeout(() => socket.destroy(new Error("no answer in time")), connectTime);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
}
