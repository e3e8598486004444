/** Takes the listeners that container runtimes hand over, one message on each connection, without waiting for a slow one. */
import type { Socket } from "node:net";
import { errno } from "../../abi/errno-numbers.ts";
import type { Origin } from "../../events/event.ts";
import { close, receiveWithDescriptors } from "../../machine/descriptors.ts";
import { SystemCallError } from "../../machine/native.ts";
import { Readiness } from "../../machine/readiness.ts";
import { isListener } from "../../machine/seccomp.ts";
import type { AgentPolicy, Policies } from "../policies.ts";
import { PolicyFault } from "../policies.ts";
import { detach } from "../sockets.ts";
import type { Trees } from "../trees.ts";
import { type Container, type ContainerProcessState, listenerName, mostBytes, readState, StateError } from "./state.ts";

export interface ReceiverOptions {
  readonly policies: Policies;
  readonly trees: Trees;
  readonly log: (line: string) => void;
  /** A listener is closed: calls of the container that need an answer fail, so it does not start. */
  readonly refused: (why: string) => void;
}

/** Milliseconds until a connection must have sent its message. */
const patience = 5000;
const mostDescriptors = 8;
const chunk = 1 << 16;

export class OciReceiver {
  readonly #options: ReceiverOptions;
  /** Read by one connection at a time. */
  readonly #buffer = new Uint8Array(chunk);
  readonly #readiness = new Readiness();

  /** Throws a SystemCallError. */
  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  /** Takes a paused connection. `ended` is called when it is closed. */
  take(socket: Socket, ended: () => void): void {
    const connection = detach(socket);
    if (connection < 0) {
      this.#options.refused("no file descriptor is left for a connection");
      ended();
      return;
    }
    const descriptors: number[] = [];
    const over = (why?: string): void => {
      clearTimeout(timer);
      this.#readiness.remove(connection);
      for (const descriptor of [connection, ...descriptors]) close(descriptor);
      if (why !== undefined) this.#options.refused(why);
      ended();
    };
    const timer = setTimeout(() => over(`no whole state came within ${patience / 1000} s`), patience);
    let bytes = Buffer.alloc(0);
    const read = (): void => {
      try {
        for (;;) {
          const received = receiveWithDescriptors(connection, this.#buffer, false);
          descriptors.push(...received.descriptors);
          if (received.isCut || descriptors.length > mostDescriptors) return over("too many descriptors came");
          const { count } = received;
          if (count === -errno.EAGAIN) return;
          if (count < 0) return over("the connection broke");
          bytes = Buffer.concat([bytes, this.#buffer.subarray(0, count)]);
          if (bytes.length > mostBytes) return over(`the state has more than ${mostBytes} bytes`);
          const state = readState(bytes, count === 0);
          if (state === undefined) continue;
          this.#accept(state, descriptors);
          return over();
        }
      } catch (error) {
        if (!(error instanceof StateError)) throw error;
        return over(error.message);
      }
    };
    this.#readiness.add(connection, read);
  }

  /** Takes the listener from the descriptors, unless it is refused. @throws StateError */
  #accept(state: ContainerProcessState, descriptors: number[]): void {
    const { container, policy: chosen } = state;
    const refuse: (why: string) => never = (why) => {
      throw new StateError(`container ${container.id}: ${why}`);
    };
    if (descriptors.length !== state.descriptors.length)
      refuse(`the state names ${state.descriptors.length} descriptors, and ${descriptors.length} came`);
    const at = state.descriptors.indexOf(listenerName);
    const listener = descriptors[at]!;
    if (!isListener(listener)) refuse(`the descriptor ${listenerName} is no seccomp listener`);
    const { policies, trees, log } = this.#options;
    const { id, bundle } = container;
    if (trees.isSuspended) refuse("the agent ends");
    try {
      // A container that is being created is another than one that had its id before.
      const known = container.status === "creating" ? undefined : trees.ofContainer(container);
      if (known === undefined && container.status !== "creating") refuse("it runs, and the agent has no tree of it");
      if (known === "several")
        return refuse("containers of several runtimes have this id, and the bundle is not named");
      if (known === undefined) {
        const policy = policies.select(chosen);
        const unenforced = needsLauncher(policy);
        if (unenforced !== undefined) refuse(`the policy ${policy.name} ${unenforced}`);
        const tree = trees.add({ policy, container: { id, bundle }, origin: originOf(container) }, listener);
        log(`tree ${tree.facts.number}: container ${id} under ${policy.name}`);
      } else {
        // A tree keeps the version that it has started with.
        const { name, digest } = known.facts.policy;
        if (name !== chosen.policy || digest !== chosen.digest) refuse(`it runs under ${name} ${digest} already`);
        trees.join(known, listener);
        log(`tree ${known.facts.number}: a further process of container ${id}`);
      }
      descriptors.splice(at, 1);
    } catch (error) {
      if (error instanceof PolicyFault || error instanceof SystemCallError) refuse(error.message);
      throw error;
    }
  }
}

/** What only portcullis's own launcher can enforce, as the end of a sentence. */
function needsLauncher({ compiled }: AgentPolicy): string | undefined {
  const { objects, readOnlyProc, description } = compiled;
  if (objects.length > 0) return "declares files, ports or scopes, which only `portcullis run` enforces";
  if (readOnlyProc) return "declares readOnlyProc, which only `portcullis run` enforces";
  if ((description.hosts ?? []).length > 0) return "has a list of hosts, which only `portcullis run` enforces";
  return undefined;
}

/** The annotations of Kubernetes' runtimes: containerd's CRI, CRI-O, and labels of the kubelet. */
const annotationNames = {
  container: ["io.kubernetes.cri.container-name", "io.kubernetes.container.name", "io.kubernetes.pod.container"],
  pod: ["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"],
  namespace: ["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"],
} as const;

const longestOrigin = 256;

function originOf({ id, annotations }: Container): Origin {
  const origin: Record<string, string> = { containerId: id.slice(0, longestOrigin) };
  for (const [member, names] of Object.entries(annotationNames)) {
    const found = names.map((name) => annotations.get(name)).find((one) => one !== undefined);
    if (found !== undefined) origin[member] = found.slice(0, longestOrigin);
  }
  return origin;
}
