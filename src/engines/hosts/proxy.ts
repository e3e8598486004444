/**
 * Holds a tree to named hosts: makes its network, starts the process of the proxy, and says which variables lead programs to
 * it.
 */
import { readFileSync } from "node:fs";
import { isIP, isIPv4 } from "node:net";
import { type ProxyAnswer, type ProxyOrder, type ProxySocket, parseMessage } from "../../hosts/messages.ts";
import { defaultPorts } from "../../hosts/names.ts";
import type { HostAnswer, HostQuestion, HostRefusal } from "../../hosts/refusal.ts";
import { type HostList, portsOf } from "../../hosts/rules.ts";
import { close } from "../../machine/descriptors.ts";
import { nativeFile } from "../../machine/native.ts";
import { packageFile } from "../../machine/package.ts";
import { type Endpoint, launcherStage, makeNetwork, type TreeOptions, tryNetwork } from "../launcher/launcher.ts";
import { obstacleOf } from "../launcher/mount-trial.ts";
import { StartError } from "../launcher/start-error.ts";

/** Sockets at most (MAX_ENDPOINTS of native/launcher/endpoint.h): ports of hosts, servers of names, and the proxy's. */
const mostPorts = 48;
const mostServers = 8;
/** The proxy's port, unless a host has it. */
const proxyPorts = [3128, 3129, 3130];
/** The machine's ports for a proxy without a network of its own. Few, because a compiled policy is cached for each. */
const freePorts = Array.from({ length: 64 }, (_, index) => 3128 + index);

export interface OpenHosts {
  /** For the launcher. */
  readonly tree: NonNullable<TreeOptions["hosts"]>;
  /** How the tree is held, for one line at the start. */
  readonly way: string;
  /** The port of 127.0.0.1 to which the policy must hold the tree; undefined if its network does. */
  readonly port: number | undefined;
  /** Receives what happens from now on. */
  listen(listener: HostListener): void;
  /** Ends the proxy. */
  close(): void;
}

export interface HostListener {
  readonly onRefused: (refusal: HostRefusal) => void;
  readonly onNotice: (text: string, dropped?: number) => void;
  /** Undefined without a person: then each such name is refused. */
  readonly onAsked: ((about: HostQuestion, answer: (answer: HostAnswer) => void) => void) | undefined;
}

/**
 * Rejects with a StartError if there is no proxy.
 *
 * @param asks whether a person is asked about names that no entry permits
 * @param obstacle why the tree can have no network of its own; undefined to try
 * @param ways "own-network" rejects without one
 */
export async function openHosts(
  command: readonly string[],
  lists: readonly HostList[],
  obstacle: string | undefined,
  asks: boolean,
  ways: "any" | "own-network" = "any",
): Promise<OpenHosts> {
  const ports = [...new Set([...defaultPorts, ...portsOf(lists)])];
  if (ports.length > mostPorts)
    throw new StartError(125, `the hosts have ${ports.length} ports, and at most ${mostPorts} can be served`);
  const port = proxyPorts.find((one) => !ports.includes(one))!;
  const endpoints: readonly (Endpoint & Omit<ProxySocket, "descriptor">)[] = [
    { address: "127.0.0.1", port, protocol: "tcp", use: "proxy" },
    ...ports.map((one) => ({ address: "::", port: one, protocol: "tcp", use: "address" }) as const),
    ...nameServers().map((address) => {
      const family = isIPv4(address) ? "udp4" : "udp6";
      return { address, port: 53, protocol: "udp", use: "names", family } as const;
    }),
  ];
  const network = obstacle === undefined ? networkOf(command, endpoints) : { obstacle };
  if ("obstacle" in network) {
    if (ways === "own-network") throw new StartError(125, `the tree has no network of its own: ${network.obstacle}`);
    const proxy = await startProxy(lists, [], asks);
    return {
      tree: { inNetwork: false, variables: variablesFor(proxy.port, false) },
      way: `the tree reaches the listed hosts only by the proxy at 127.0.0.1:${proxy.port}, and programs that ignore HTTPS_PROXY and ALL_PROXY reach none (it has no network of its own: ${network.obstacle})`,
      ...proxy,
    };
  }
  const { descriptors } = network;
  const sockets = endpoints.map(({ use, family = "udp4" }, index) => ({
    use,
    family,
    descriptor: descriptors[index]!,
  }));
  try {
    return {
      tree: { inNetwork: true, variables: variablesFor(port, true) },
      way: "the tree has a network of its own, which leads to the listed hosts only",
      ...(await startProxy(lists, sockets, asks)),
      port: undefined,
    };
  } finally {
    for (const one of descriptors) close(one);
  }
}

/** Why this user can have no network for a tree; undefined if it can. Throws a StartError if the launcher fails. */
export function networkObstacle(): string | undefined {
  try {
    tryNetwork({ address: "127.0.0.1", port: 3128, protocol: "tcp" });
    return undefined;
  } catch (error) {
    return obstacleOf(error, launcherStage.enterNetwork);
  }
}

/** The network's sockets, or why this user can have none. @throws StartError */
function networkOf(
  command: readonly string[],
  endpoints: readonly Endpoint[],
): { readonly descriptors: readonly number[] } | { readonly obstacle: string } {
  try {
    return { descriptors: makeNetwork(command, endpoints) };
  } catch (error) {
    return { obstacle: obstacleOf(error, launcherStage.enterNetwork) };
  }
}

/** The addresses at which programs ask for names: the C library's, and its default. */
function nameServers(): readonly string[] {
  let text = "";
  try {
    text = readFileSync("/etc/resolv.conf", "utf8");
  } catch {
    // The C library then asks 127.0.0.1.
  }
  const named = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)]
    .map(([, address = ""]) => address)
    .filter((one) => isIP(one) !== 0 && !one.includes("%"));
  return [...new Set([...named, "127.0.0.1"])].slice(0, mostServers);
}

function variablesFor(port: number, hasOwnNetwork: boolean): readonly string[] {
  const http = `http://127.0.0.1:${port}`;
  const both = (name: string, ending: string) => [`${name}${ending}`, `${name.toLowerCase()}${ending}`];
  return [
    ...both("HTTP_PROXY", `=${http}`),
    ...both("HTTPS_PROXY", `=${http}`),
    ...both("ALL_PROXY", `=socks5h://127.0.0.1:${port}`),
    // The tree's own servers; without an own network these addresses are the machine's.
    ...both("NO_PROXY", hasOwnNetwork ? "=localhost,127.0.0.1,::1" : ""),
    "NODE_USE_ENV_PROXY=1",
  ];
}

/** Starts the process, and returns when it serves these sockets, or a port of 127.0.0.1. */
async function startProxy(
  lists: readonly HostList[],
  sockets: readonly ProxySocket[],
  asks: boolean,
): Promise<Pick<OpenHosts, "listen" | "close"> & { readonly port: number }> {
  const { spawn } = process.getBuiltinModule("node:child_process");
  const { createInterface } = process.getBuiltinModule("node:readline");
  // In a session of its own: the terminal's signals are the command's.
  const child = spawn(process.execPath, [packageFile("dist/hosts.cjs")], {
    argv0: "portcullis-hosts",
    detached: true,
    env: {},
    cwd: "/",
    stdio: ["pipe", "pipe", "ignore", ...sockets.map(({ descriptor }) => descriptor)],
  });
  const order: ProxyOrder = {
    lists,
    sockets: sockets.map((one, index) => ({ ...one, descriptor: 3 + index })),
    ports: freePorts,
    addon: nativeFile("portcullis.node"),
    asks,
  };
  let isClosed = false;
  let listener: HostListener | undefined;
  child.stdin!.on("error", () => undefined); // its end is an event of its own
  child.stdin!.write(`${JSON.stringify(order)}\n`);
  const port = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => {
      reject(new StartError(125, "the proxy of the hosts has ended at its start", "run `make build`"));
      if (!isClosed) listener?.onNotice("the proxy of the hosts has ended: the tree reaches no host from now on");
    });
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const message = parseMessage(line);
      if (message?.kind === "ready") resolve(message.port);
      if (message?.kind === "refused") listener?.onRefused(message.refusal);
      if (message?.kind === "asks") {
        const { question, about } = message;
        const answer = (given: HostAnswer): void => {
          const line: ProxyAnswer = { question, answer: given };
          if (!isClosed) child.stdin!.write(`${JSON.stringify(line)}\n`);
        };
        if (listener?.onAsked === undefined) answer("late");
        else listener.onAsked(about, answer);
      }
      if (message?.kind === "dropped")
        listener?.onNotice("refusals of hosts were not reported, because too many came at once", message.count);
    });
  });
  return {
    port,
    listen: (given) => {
      listener = given;
    },
    close: () => {
      isClosed = true;
      child.stdin!.end();
    },
  };
}
