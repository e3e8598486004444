/** The agent: one process that supervises many trees, each under its own policy. */
import { readFileSync } from "node:fs";
import { Supervision } from "../../engines/notify/supervision.ts";
import type { Destination } from "../../events/channel.ts";
import { EventLimit } from "../../events/limit.ts";
import type { ArchitectureName } from "../../linux/architecture.ts";
import { packageFile, packageVersion } from "../../linux/package.ts";
import { makeStatusFolder } from "../../status/location.ts";
import { type AgentStatus, answerControl, controlSocket } from "../control.ts";
import { AgentEvents } from "../events.ts";
import { defaultSocket } from "../folders.ts";
import type { Gauges } from "../metrics.ts";
import type { MetricsPlace, MetricsServer } from "../metrics-server.ts";
import { OciReceiver } from "../oci/receiver.ts";
import { Policies } from "../policies.ts";
import { AgentSocket } from "../sockets.ts";
import { givenSockets, ServiceManager } from "../systemd.ts";
import { type Observer, Trees } from "../trees.ts";

export interface AgentOptions {
  /** The socket for container runtimes; the others are beside it. */
  readonly socket: string;
  /** Users beside the agent's own whose container runtimes may hand over listeners. */
  readonly runtimeUsers: ReadonlySet<number>;
  readonly policies: string | undefined;
  readonly events: Destination;
  readonly form: "lines" | "json";
  readonly architecture: ArchitectureName;
  /** The address, or the path of the socket, that serves metrics; undefined without one. */
  readonly metrics: MetricsPlace | undefined;
  readonly environment: Record<string, string | undefined>;
  /** Takes a line for people. Must not wait. */
  readonly log: (line: string) => void;
}

/** Connections of one user at a time. */
const mostOfUser = 64;
const mostRefusals = 20;
/** Milliseconds between two looks at the counts, which wrap at 2^32 calls; and for the service manager's status. */
const counting = 10_000;
/** Refusals that are logged: so many at once, and then so many a second. */
const refusalLimit = { burst: 20, perSecond: 2, keys: 1 } as const;

const unobserved: Observer = { calls() {}, refusal() {}, judged() {}, ended() {}, lostEvents() {} };

export class Agent {
  readonly trees: Trees;
  readonly policies: Policies;
  /** Resolves with a sentence when the supervisor has failed. The manager of services must start another agent then. */
  readonly failed: Promise<string>;
  #fail!: (why: string) => void;
  readonly #options: AgentOptions;
  readonly #events: AgentEvents;
  readonly #manager: ServiceManager;
  readonly #sockets: AgentSocket[] = [];
  readonly #started = Date.now() / 1000;
  readonly #refusalLimit = new EventLimit(refusalLimit);
  readonly #refusals: string[] = [];
  #refused = 0;
  #counting: NodeJS.Timeout | undefined;
  #metrics: MetricsServer | undefined;

  private constructor(options: AgentOptions, observer: Observer) {
    this.#options = options;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    const { log, policies, architecture, events, form } = options;
    this.#manager = new ServiceManager(options.environment);
    this.#events = new AgentEvents(events, form, {
      onFault: ({ code }) => log(`events cannot be written (${code})`),
      onDropped: (count) => observer.lostEvents(count),
    });
    this.policies = new Policies({ folder: policies, architecture, log });
    const source = readFileSync(packageFile("dist/supervisor.cjs"), "utf8");
    this.trees = new Trees({
      ...{ supervision: new Supervision(source, "many"), events: this.#events, observer, log },
      failed: (why) => this.#fail(why),
    });
  }

  /** The process must be hidden from its trees (`hideFromCommand`), and have handlers of its signals. @throws SocketError, DestinationError, StartError, StatusFolderError */
  static async start(options: AgentOptions): Promise<Agent> {
    const metrics =
      options.metrics === undefined ? undefined : new (await import("../metrics.ts")).Metrics(() => gauges());
    const agent = new Agent(options, metrics ?? unobserved);
    const gauges = (): Gauges => ({
      trees: agent.trees.all.length,
      policies: agent.policies.list.length,
      count: () => agent.#count(),
    });
    agent.policies.start();
    try {
      await agent.#listen();
      if (metrics !== undefined) {
        const { MetricsServer: Server } = await import("../metrics-server.ts");
        agent.#metrics = await Server.open(options.metrics!, metrics);
      }
    } catch (error) {
      await agent.close();
      throw error;
    }
    agent.#counting = setInterval(() => agent.#tick(), counting).unref();
    agent.#manager.tell("READY=1", agent.#statusLine());
    return agent;
  }

  /** The end of the process closes the listeners: from then on the kernel denies what needs the agent (ENOSYS). */
  async close(): Promise<void> {
    this.#manager.tell("STOPPING=1");
    clearInterval(this.#counting);
    this.policies.close();
    this.#metrics?.close();
    for (const socket of this.#sockets) socket.close();
    this.#count();
    await this.#events.finish();
  }

  get status(): AgentStatus {
    return {
      ...{ v: 1, kind: "agent", time: Date.now() / 1000, started: this.#started },
      ...{ version: packageVersion(), pid: process.pid, memory: process.memoryUsage.rss() },
      ...{ policies: this.policies.list, trees: this.trees.all.map(({ status }) => status) },
      ...{ refused: this.#refused, refusals: this.#refusals },
    };
  }

  async #listen(): Promise<void> {
    const { socket: path, environment, runtimeUsers } = this.#options;
    if (path === defaultSocket() && process.geteuid?.() !== 0) makeStatusFolder();
    const given = givenSockets(environment);
    const isOwn = (uid: number): boolean => uid === 0 || uid === process.geteuid?.();
    const refused = (why: string): void => this.#refuse(why);
    const receiver = new OciReceiver({ ...this.#options, policies: this.policies, trees: this.trees, refused });
    const control = controlSocket(path);
    this.#sockets.push(
      await AgentSocket.open({
        ...{ path, given: given.get(path), mostOfUser, refused },
        mode: runtimeUsers.size > 0 ? 0o666 : 0o600,
        users: (uid) => isOwn(uid) || runtimeUsers.has(uid),
        // `runc create` and `runc exec --detach` end as soon as they have sent it. The supervisor counts the filters of the
        // first process that makes a call (ContainerStart).
        mayHaveEnded: true,
        take: (socket, _, ended) => receiver.take(socket, ended),
      }),
      await AgentSocket.open({
        ...{ path: control, given: given.get(control), mode: 0o600, mostOfUser, users: isOwn },
        take: (socket, _, ended) => {
          socket.once("close", ended);
          answerControl(socket, { trees: this.trees, status: () => this.status });
        },
        // Every tree can try.
        refused: () => undefined,
      }),
    );
    for (const name of given.keys())
      if (name !== path && name !== control) this.#options.log(`the socket ${name} of the service manager is not used`);
  }

  /** A request is refused. */
  #refuse(why: string): void {
    this.#refused++;
    this.#refusals.push(why);
    if (this.#refusals.length > mostRefusals) this.#refusals.shift();
    const { passes, dropped } = this.#refusalLimit.admit("refused", Date.now());
    for (const { count } of dropped) this.#options.log(`${count} further requests were refused`);
    if (passes) this.#options.log(`refused: ${why}`);
  }

  #count(): void {
    for (const tree of this.trees.all) tree.count();
  }

  #tick(): void {
    this.#count();
    this.#manager.tell(this.#statusLine());
  }

  #statusLine(): string {
    const count = (number: number, what: string): string => `${number} ${what}`;
    const trees = this.trees.all.length;
    const policies = this.policies.list.length;
    return `STATUS=${count(trees, trees === 1 ? "tree" : "trees")}, ${count(policies, policies === 1 ? "policy" : "policies")}`;
  }
}
