/** The agent: one process that supervises many trees, each under its own policy. */
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { ArchitectureName } from "../../abi/architecture.ts";
import { SupervisionPool } from "../../engines/notify/pool.ts";
import { Supervision } from "../../engines/notify/supervision.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import type { Destination } from "../../events/channel.ts";
import { EventLimit } from "../../events/limit.ts";
import { packageFile, packageVersion } from "../../machine/package.ts";
import { makeStatusFolder } from "../../observe/status/location.ts";
import { type AgentStatus, answerControl } from "../control.ts";
import { AgentEvents } from "../events.ts";
import { controlSocket, defaultSocket, runSocket } from "../folders.ts";
import type { RequestStrings } from "../local/protocol.ts";
import type { PreparedRun } from "../local/run.ts";
import { type LocalRunsOptions, serveLocalRuns } from "../local/server.ts";
import type { PermittedUsers } from "../local/users.ts";
import type { Gauges } from "../metrics.ts";
import type { MetricsPlace, MetricsServer } from "../metrics-server.ts";
import { OciReceiver } from "../oci/receiver.ts";
import { Policies } from "../policies.ts";
import { AgentSocket, closeServer, listeningServer } from "../sockets.ts";
import { leave, take } from "../store.ts";
import { type GivenDescriptors, givenDescriptors, ServiceManager } from "../systemd.ts";
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
  /** Prepares a `portcullis run` of this user. */
  readonly prepare: LocalRunsOptions["prepare"];
  /** Other users whose `portcullis run` is served, and how it is prepared: only policies of `find` may be used. */
  readonly others: PermittedUsers | undefined;
  readonly prepareNamed: (
    given: RequestStrings,
    find: (name: string) => CompiledPolicy | undefined,
  ) => PreparedRun | undefined;
  /** Takes a line for people. Must not wait. */
  readonly log: (line: string) => void;
}

/** Connections of one user at a time. */
const mostOfUser = 64;
const mostRefusals = 20;
/** Milliseconds between two looks at the counts, which wrap at 2^32 calls; and for the service manager's status. */
const counting = 10_000;
/** Milliseconds until a runtime that has connected must have sent its listener, when the agent ends. */
const connecting = 500;
/** Refusals that are logged: so many at once, and then so many a second. */
const refusalLimit = { burst: 20, perSecond: 2, keys: 1 } as const;

const unobserved: Observer = { calls() {}, refusal() {}, judged() {}, ended() {}, lostEvents() {} };

export class Agent {
  readonly trees: Trees;
  readonly policies: Policies;
  /** Resolves with a sentence when the supervisor has failed. The manager of services must start another agent then. */
  readonly failed: Promise<string>;
  readonly #options: AgentOptions;
  readonly #events: AgentEvents;
  readonly #manager: ServiceManager;
  readonly #sockets: Pick<AgentSocket, "close">[] = [];
  /** The socket of the container runtimes. */
  #runtimes: AgentSocket | undefined;
  readonly #started = Date.now() / 1000;
  readonly #refusalLimit = new EventLimit(refusalLimit);
  readonly #refusals: string[] = [];
  #refused = 0;
  #restarts = 0;
  #counting: NodeJS.Timeout | undefined;
  #metrics: MetricsServer | undefined;

  private constructor(options: AgentOptions, observer: Observer) {
    this.#options = options;
    const { log, policies, architecture, events, form } = options;
    this.#manager = new ServiceManager(options.environment);
    this.#events = new AgentEvents(events, form, {
      onFault: ({ code }) => log(`events cannot be written (${code})`),
      onDropped: (count) => observer.lostEvents(count),
    });
    this.policies = new Policies({ folder: policies, architecture, log });
    const source = readFileSync(packageFile("dist/supervisor.cjs"), "utf8");
    const supervision = new SupervisionPool((processor) => new Supervision(source, { processor }));
    this.failed = supervision.failure;
    this.trees = new Trees({ supervision, events: this.#events, observer, log });
  }

  /** The process must be hidden from its trees (`hideFromCommand`), and have handlers of its signals. @throws SocketError, DestinationError, StartError, StatusFolderError */
  static async start(options: AgentOptions): Promise<Agent> {
    const metrics =
      options.metrics === undefined ? undefined : new (await import("../metrics.ts")).Metrics(() => gauges());
    const agent = new Agent(options, metrics ?? unobserved);
    const gauges = (): Gauges => ({
      trees: agent.trees.all.length,
      policies: agent.policies.list.length,
      restarts: agent.#restarts,
      count: () => agent.#count(),
    });
    const given = givenDescriptors(options.environment);
    // First, because calls wait for them.
    agent.#goOn(given.stored);
    agent.policies.start();
    try {
      await agent.#listen(given.sockets);
      if (metrics !== undefined) {
        const { MetricsServer: Server } = await import("../metrics-server.ts");
        agent.#metrics = await Server.open(options.metrics!, metrics);
      }
    } catch (error) {
      await agent.close();
      // The end of the process would wait for a thread that waits for trees.
      await agent.trees.end();
      throw error;
    }
    agent.#counting = setInterval(() => agent.#tick(), counting).unref();
    agent.#manager.tell("READY=1", agent.#statusLine());
    return agent;
  }

  /**
   * Leaves the trees to the next agent if the service manager stores descriptors. Otherwise the end of the process closes the
   * listeners: from then on the kernel denies what needs the agent (ENOSYS).
   */
  async close(): Promise<void> {
    this.#manager.tell("STOPPING=1");
    clearInterval(this.#counting);
    this.policies.close();
    this.#metrics?.close();
    for (const socket of this.#sockets) socket.close();
    if (this.#manager.room > 0 && this.trees.failed === undefined) await this.#leave();
    this.#count();
    await this.#events.finish();
  }

  async #leave(): Promise<void> {
    // A container whose runtime has connected starts under this agent; the next one takes later connections.
    const end = performance.now() + connecting;
    while (this.#runtimes?.isIdle === false && performance.now() < end) await pause(5);
    const { log } = this.#options;
    const suspended = await this.trees.suspend();
    const count = leave({ restarts: this.#restarts, ...suspended }, this.#manager, log);
    if (count > 0) log(`the next agent goes on with ${count} ${count === 1 ? "tree" : "trees"}`);
    for (const tree of this.trees.all) await tree.finish();
  }

  #goOn(stored: GivenDescriptors["stored"]): void {
    const found = take(stored, this.#manager, this.#options.log);
    if (found === undefined || found.trees.length === 0) return;
    this.#restarts = found.restarts + 1;
    this.trees.restore(found);
  }

  get status(): AgentStatus {
    return {
      ...{ v: 1, kind: "agent", time: Date.now() / 1000, started: this.#started },
      ...{ version: packageVersion(), pid: process.pid, memory: process.memoryUsage.rss() },
      ...{ policies: this.policies.list, trees: this.trees.all.map(({ status }) => status) },
      ...{ refused: this.#refused, refusals: this.#refusals },
    };
  }

  async #listen(given: GivenDescriptors["sockets"]): Promise<void> {
    const { socket: path, runtimeUsers } = this.#options;
    if (path === defaultSocket() && process.geteuid?.() !== 0) makeStatusFolder();
    const isOwn = (uid: number): boolean => uid === 0 || uid === process.geteuid?.();
    const refused = (why: string): void => this.#refuse(why);
    const receiver = new OciReceiver({ ...this.#options, policies: this.policies, trees: this.trees, refused });
    const control = controlSocket(path);
    this.#runtimes = await AgentSocket.open({
      ...{ path, given: given.get(path), mostOfUser, refused },
      mode: runtimeUsers.size > 0 ? 0o666 : 0o600,
      users: (uid) => isOwn(uid) || runtimeUsers.has(uid),
      // `runc create` and `runc exec --detach` end as soon as they have sent it. The supervisor counts the filters of the
      // first process that makes a call (ContainerStart).
      mayHaveEnded: true,
      take: (socket, _, ended) => receiver.take(socket, ended),
    });
    this.#sockets.push(
      this.#runtimes,
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
    // Others are examined when they have connected.
    const mode = this.#options.others === undefined ? 0o600 : 0o666;
    const run = { path: runSocket(path), given: given.get(runSocket(path)), mode };
    // A service manager that makes sockets decides whether `run` is served.
    if (given.size === 0 || run.given !== undefined) await this.#serveRuns(run);
    for (const name of given.keys())
      if (name !== path && name !== control && name !== run.path)
        this.#options.log(`the socket ${name} of the service manager is not used`);
  }

  async #serveRuns(place: Parameters<typeof listeningServer>[0]): Promise<void> {
    const { prepare, prepareNamed, others, log } = this.#options;
    const server = await listeningServer(place);
    this.#sockets.push({ close: () => closeServer(server, place) });
    serveLocalRuns({
      ...{ server, prepare, others, log },
      prepareForOther: (words) => prepareNamed(words, (name) => this.#named(name)),
      supervise: (order, facts) => this.trees.addCommand(order, facts),
    });
  }

  #named(name: string): CompiledPolicy | undefined {
    const policy = this.policies.forUsers(name)?.compiled;
    return policy && { engine: "notify", policy };
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
