/**
 * Holds a tree to named hosts: makes its network, starts the process of the proxy, and says which variables lead programs to
 * it.
 */
import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { type ProxyMessage, type ProxyOrder, type ProxySocket, parseMessage } from "../../hosts/messages.ts";
import { defaultPorts } from "../../hosts/names.ts";
import type { HostRefusal } from "../../hosts/refusal.ts";
import { type HostList, portsOf } from "../../hosts/rules.ts";
import { close } from "../../linux/descriptors.ts";
import { nativeFile } from "../../linux/native.ts";
import { packageFile } from "../../linux/package.ts";
import { type Endpoint, LauncherFault, launcherStage, makeNetwork, type TreeOptions } from "../launcher.ts";
import { StartError } from "../start-error.ts";

/** Sockets at most (MAX_ENDPOINTS of native/launcher/network.h): ports of hosts, servers of names, and the proxy's. */
const mostPorts = 48;
const mostServers = 8;
/** The proxy's port, unless a host has it. */
const proxyPorts = [3128, 3129, 3130];

export interface HostOptions {
  readonly lists: readonly HostList[];
  readonly onRefused: (refusal: HostRefusal) => void;
  readonly onNotice: (text: string, dropped?: number) => void;
}

export interface OpenHosts {
  /** For the launcher. */
  readonly tree: NonNullable<TreeOptions["hosts"]>;
  /** How the tree is held, for one line at the start. */
  readonly way: string;
  /** Ends the proxy. */
  close(): void;
}

/** Rejects with a StartError if the tree cannot be held. */
export async function openHosts(command: readonly string[], options: HostOptions): Promise<OpenHosts> {
  const ports = [...new Set([...defaultPorts, ...portsOf(options.lists)])];
  if (ports.length > mostPorts)
    throw new StartError(125, `the hosts have ${ports.length} ports, and at most ${mostPorts} can be served`);
  const port = proxyPorts.find((one) => !ports.includes(one))!;
  const endpoints: readonly (Endpoint & Pick<ProxySocket, "use">)[] = [
    { address: "127.0.0.1", port, protocol: "tcp", use: "proxy" },
    ...ports.map((one) => ({ address: "::", port: one, protocol: "tcp", use: "address" }) as const),
    ...nameServers().map((address) => ({ address, port: 53, protocol: "udp", use: "names" }) as const),
  ];
  const descriptors = networkOf(command, endpoints);
  const sockets = endpoints.map(({ use }, index) => ({ use, descriptor: descriptors[index]! }));
  try {
    return {
      tree: { inNetwork: true, variables: variablesFor(port) },
      way: "the tree has a network of its own, which leads to the listed hosts only",
      close: await startProxy(sockets, options),
    };
  } finally {
    for (const one of descriptors) close(one);
  }
}

/** @throws StartError */
function networkOf(command: readonly string[], endpoints: readonly Endpoint[]): readonly number[] {
  try {
    return makeNetwork(command, endpoints);
  } catch (error) {
    if (!(error instanceof LauncherFault) || error.stage !== launcherStage.enterNetwork) throw error;
    const { text, message } = error;
    throw new StartError(
      125,
      `the command cannot have a network of its own, which hosts need: ${text === "" ? message : `${text} (${message})`}`,
      "`unshare --user --net true` must work for this user: see kernel.unprivileged_userns_clone, user.max_user_namespaces, and the container's seccomp profile",
    );
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
  const named = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = ""]) => address).filter(isIPv4);
  return [...new Set([...named, "127.0.0.1"])].slice(0, mostServers);
}

function variablesFor(port: number): readonly string[] {
  const http = `http://127.0.0.1:${port}`;
  const both = (name: string, value: string) => [`${name}=${value}`, `${name.toLowerCase()}=${value}`];
  return [
    ...both("HTTP_PROXY", http),
    ...both("HTTPS_PROXY", http),
    ...both("ALL_PROXY", `socks5h://127.0.0.1:${port}`),
    // The tree's own servers.
    ...both("NO_PROXY", "localhost,127.0.0.1,::1"),
    "NODE_USE_ENV_PROXY=1",
  ];
}

/** Starts the process, and returns when it serves. */
async function startProxy(
  sockets: readonly ProxySocket[],
  { lists, onRefused, onNotice }: HostOptions,
): Promise<() => void> {
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
    sockets: sockets.map(({ use }, index) => ({ use, descriptor: 3 + index })),
    addon: nativeFile("portcullis.node"),
  };
  let isClosed = false;
  const failed = new StartError(125, "the proxy of the hosts has ended at its start", "run `make build`");
  child.stdin!.on("error", () => undefined); // its end is an event of its own
  child.stdin!.write(`${JSON.stringify(order)}\n`);
  const heed = (message: Exclude<ProxyMessage, { readonly kind: "ready" }>): void => {
    if (message.kind === "refused") onRefused(message.refusal);
    else onNotice("refusals of hosts were not reported, because too many came at once", message.count);
  };
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => {
      reject(failed);
      if (!isClosed) onNotice("the proxy of the hosts has ended: the tree reaches no host from now on");
    });
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const message = parseMessage(line);
      if (message?.kind === "ready") resolve();
      else if (message !== undefined) heed(message);
    });
  });
  return () => {
    isClosed = true;
    child.stdin!.end();
  };
}
