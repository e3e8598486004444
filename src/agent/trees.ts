/** The registry of the trees that the agent supervises. All facts about a tree are plain data, so that they can be stored. */
import { basename } from "node:path";
import type { NotifyPolicy } from "../engines/notify/policy/policy.ts";
import type { SupervisionPool } from "../engines/notify/pool.ts";
import type { SupervisedTree, Suspended, TreeOrder } from "../engines/notify/supervision.ts";
import { containerFilter } from "../engines/notify/tree-filter.ts";
import { describe } from "../events/describe.ts";
import type { Origin } from "../events/event.ts";
import type { EventRecord } from "../events/record.ts";
import { verdictText } from "../ir/verdicts.ts";
import { StatusReporter } from "../observe/status/reporter.ts";
import { StatusReaders } from "../observe/status/server.ts";
import type { AgentEvents } from "./events.ts";
import type { AgentPolicy } from "./policies.ts";

export interface TreeFacts {
  readonly number: number;
  readonly policy: {
    readonly name: string;
    /** Absent for a command: its client has compiled the policy. */
    readonly digest?: string;
    readonly parameters: Readonly<Record<string, string>>;
  };
  /** Runtimes with other state folders can use an id at the same time; their bundles differ. Absent for a command. */
  readonly container?: ContainerName;
  readonly origin: Origin;
  /** Of a command: whose it is. */
  readonly user?: number;
  /** Seconds since the epoch. */
  readonly started: number;
}

/** What a client says about its command. */
export interface CommandFacts {
  readonly words: readonly string[];
  readonly user: number;
}

export interface ContainerName {
  readonly id: string;
  /** The folder of the container's configuration; relative where the runtime does not know it (`crun exec`). */
  readonly bundle: string;
}

export interface TreeStatus extends TreeFacts {
  /** Calls that the supervisor has judged, and of these that it refused. */
  readonly calls: number;
  readonly refused: number;
  /** Listeners: the first one, and those that have joined and not ended. */
  readonly listeners: number;
}

/** Counts what the trees do; the metrics. */
export interface Observer {
  calls(policy: string, verdict: string, count: number): void;
  refusal(policy: string, call: string, origin: Origin, rule: string | undefined, count: number): void;
  /** Judgements of each bucket (engines/engine/status.ts), and the sum of their microseconds. */
  judged(latency: readonly number[]): void;
  /** A tree has ended. */
  ended(origin: Origin): void;
  lostEvents(count: number): void;
}

export interface NewTree {
  readonly policy: AgentPolicy;
  readonly container: ContainerName;
  readonly origin: Origin;
}

/** See TreeOrder. */
export interface CommandOrder extends Pick<TreeOrder, "policy" | "filter" | "listener" | "onEvent"> {
  readonly command: NonNullable<TreeOrder["command"]>;
}

/** A tree that another agent goes on with. Increase `savedFormat` with every change. */
export interface SuspendedTree<Listener> {
  readonly facts: TreeFacts;
  readonly policy: NotifyPolicy;
  /** See StatusReporter.sums. */
  readonly sums: readonly number[];
  /** In the order in which they came: the first one has made the state. */
  readonly listeners: readonly { readonly listener: Listener; readonly saved: Suspended }[];
}

/** `Listener`: a descriptor; in the store the name of one. */
export interface SuspendedAgent<Listener> {
  readonly restarts: number;
  /** The number of the last tree. */
  readonly last: number;
  readonly trees: readonly SuspendedTree<Listener>[];
}

export interface TreesOptions {
  readonly supervision: SupervisionPool;
  readonly events: AgentEvents;
  readonly observer: Observer;
  readonly log: (line: string) => void;
}

/** Milliseconds until calls that are not at a place where they can wait are given up. */
const suspensionPatience = 5000;

interface Enforced {
  readonly policy: NotifyPolicy;
  readonly command: readonly string[];
  readonly output: { readonly record: (record: EventRecord) => void; readonly finish: () => unknown };
}

export class Tree {
  readonly facts: TreeFacts;
  readonly reporter: StatusReporter;
  readonly readers: StatusReaders;
  readonly policy: NotifyPolicy;
  /** With their descriptors, which the supervision owns. */
  readonly listeners = new Map<SupervisedTree, number>();
  readonly #options: TreesOptions;
  readonly #output: Enforced["output"];
  /** The totals that the observer knows. */
  #counted: readonly number[] = [];
  #countedLatency: readonly number[] = [];
  #countedRefused = 0;

  /** `former`: the sums of another agent, which has reported them to its observer. */
  constructor(
    facts: TreeFacts,
    { policy, command, output }: Enforced,
    options: TreesOptions,
    former?: readonly number[],
  ) {
    this.facts = facts;
    this.policy = policy;
    this.#options = options;
    this.#output = output;
    const { description, state, mode } = policy;
    const audit = mode === "audit";
    this.reporter = new StatusReporter({
      ...{ policy: description, state, command, audit, engine: "notify", unknown: [] },
      former,
    });
    this.#rememberTotals();
    this.readers = new StatusReaders(this.reporter);
  }

  record(record: EventRecord): void {
    this.#output.record(record);
    this.reporter.record(record);
    if (record.kind === "notice" && record.dropped !== undefined) this.#options.observer.lostEvents(record.dropped);
    if (record.kind !== "judgement") return;
    for (const event of describe(this.policy.description, record)) {
      if (event.kind !== "decision" || event.verdict === "log" || event.answered?.startsWith("allowed")) continue;
      const { policy, origin } = this.facts;
      this.#options.observer.refusal(policy.name, event.call, origin, event.rule, record.count ?? 1);
    }
  }

  /** Tells the observer what has been judged since the last time. */
  count(): void {
    const { verdicts, refused, latency } = this.reporter.totals;
    const { observer } = this.#options;
    const { name } = this.facts.policy;
    verdicts.forEach((total, index) => {
      const more = total - (this.#counted[index] ?? 0);
      if (more > 0) observer.calls(name, this.policy.description.verdicts[index]!.action, more);
    });
    if (refused > this.#countedRefused) observer.calls(name, "refused", refused - this.#countedRefused);
    observer.judged(latency.map((total, bucket) => total - (this.#countedLatency[bucket] ?? 0)));
    this.#rememberTotals();
  }

  #rememberTotals(): void {
    const { verdicts, refused, latency } = this.reporter.totals;
    this.#countedLatency = latency;
    this.#counted = verdicts;
    this.#countedRefused = refused;
  }

  get status(): TreeStatus {
    const { verdicts, refused } = this.reporter.totals;
    const { description } = this.policy;
    const passes = (index: number) => /^(?:allow|log)/.test(verdictText(description.verdicts[index]!));
    return {
      ...this.facts,
      calls: verdicts.reduce((sum, one) => sum + one, refused),
      refused: verdicts.reduce((sum, one, index) => (passes(index) ? sum : sum + one), refused),
      listeners: this.listeners.size,
    };
  }

  async end(): Promise<void> {
    this.count();
    this.#options.observer.ended(this.facts.origin);
    await this.finish();
  }

  /** No further record comes here. */
  async finish(): Promise<void> {
    this.readers.close();
    await this.#output.finish();
  }
}

export class Trees {
  readonly #options: TreesOptions;
  /** By their numbers, the newest last. */
  readonly #trees = new Map<number, Tree>();
  #last = 0;
  #isSuspended = false;

  constructor(options: TreesOptions) {
    this.#options = options;
  }

  /** Why no tree is supervised any more. */
  get failed(): string | undefined {
    return this.#options.supervision.failed;
  }

  get all(): readonly Tree[] {
    return [...this.#trees.values()];
  }

  find(number: number): Tree | undefined {
    return this.#trees.get(number);
  }

  /** The newest tree of the container, or "several" if its bundle is not known and several runtimes have such an id. */
  ofContainer({ id, bundle }: ContainerName): Tree | "several" | undefined {
    const found = this.all.filter(
      ({ facts: { container } }) => container?.id === id && (container.bundle === bundle || !bundle.startsWith("/")),
    );
    const bundles = new Set(found.map(({ facts }) => facts.container!.bundle));
    return bundles.size > 1 ? "several" : found.at(-1);
  }

  /** Takes the listener over, which it closes, unless it throws a SystemCallError: no descriptor is left. */
  add({ policy, container, origin }: NewTree, listener: number): Tree {
    const { name, digest, compiled } = policy;
    const parameters = Object.fromEntries(policy.parameters);
    const output = this.#options.events.of(compiled.description, origin);
    const tree = this.#register(
      { policy: { name, digest, parameters }, container, origin },
      { policy: compiled, command: [], output },
    );
    this.join(tree, listener);
    return tree;
  }

  /** Supervises a further listener as one of the tree, and takes it over as `add` does. */
  join(tree: Tree, listener: number): void {
    this.#superviseContainer(tree, listener);
  }

  #superviseContainer(tree: Tree, listener: number, saved?: Suspended): void {
    const { policy } = tree;
    const [joins] = tree.listeners.keys();
    this.#supervise(tree, { policy, filter: containerFilter(policy), listener, command: undefined, joins, saved });
  }

  /** Supervises a command that `portcullis run` has handed over. Its events go to `run` alone. Throws as `add`. */
  addCommand({ onEvent, ...order }: CommandOrder, { words, user }: CommandFacts): SupervisedTree {
    const { policy, command } = order;
    const origin = { command: basename(words[0]!), pid: command.pid };
    const tree = this.#register(
      { policy: { name: policy.description.name, parameters: {} }, origin, user },
      { policy, command: words, output: { record: onEvent, finish: () => undefined } },
    );
    return this.#supervise(tree, order);
  }

  #register(facts: Omit<TreeFacts, "number" | "started">, enforced: Enforced): Tree {
    const tree = new Tree({ number: ++this.#last, started: Date.now() / 1000, ...facts }, enforced, this.#options);
    this.#trees.set(tree.facts.number, tree);
    return tree;
  }

  #supervise(tree: Tree, order: Omit<TreeOrder, "onEvent">): SupervisedTree {
    let supervised: SupervisedTree;
    try {
      supervised = this.#options.supervision.supervise({
        ...order,
        onEvent: (record) => tree.record(record),
        status: { words: tree.reporter.words, onSnapshot: (snapshot) => tree.reporter.snapshot(snapshot) },
      });
    } catch (error) {
      if (tree.listeners.size === 0) this.#trees.delete(tree.facts.number);
      throw error;
    }
    tree.listeners.set(supervised, order.listener);
    void supervised.ended.then((why) => this.#ended(tree, supervised, why));
    return supervised;
  }

  /** No tree may be added or joined from now on. */
  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  /** Ends the supervision, with the listeners open, so that another agent can go on. */
  async suspend(): Promise<Omit<SuspendedAgent<number>, "restarts">> {
    const { supervision, log } = this.#options;
    this.#isSuspended = true;
    const suspended = new Map(await supervision.suspend(suspensionPatience));
    const containers = this.all.filter(({ facts }) => facts.container !== undefined);
    const trees = containers.flatMap((tree) => {
      const listeners = [...tree.listeners].flatMap(([supervised, listener]) => {
        const saved = suspended.get(supervised);
        suspended.delete(supervised);
        return saved === undefined ? [] : [{ listener, saved }];
      });
      const { facts, policy, reporter } = tree;
      if (listeners.length < tree.listeners.size) {
        const why = policy.rooms.length > 0 ? "its policy has rooms" : "its calls do not come to an end";
        log(`tree ${facts.number} does not go on: ${why}`);
      }
      return listeners.length === 0 ? [] : [{ facts, policy, sums: reporter.sums, listeners }];
    });
    const commands = this.#trees.size - containers.length;
    if (commands > 0)
      log(`${commands} ${commands === 1 ? "tree of portcullis run does" : "trees of portcullis run do"} not go on`);
    return { last: this.#last, trees };
  }

  /** Goes on with the trees of another agent, before any other is added. */
  restore({ last, trees }: SuspendedAgent<number>): void {
    this.#last = last;
    for (const { facts, policy, sums, listeners } of trees) {
      const output = this.#options.events.of(policy.description, facts.origin);
      const tree = new Tree(facts, { policy, command: [], output }, this.#options, sums);
      this.#trees.set(facts.number, tree);
      for (const { listener, saved } of listeners) this.#superviseContainer(tree, listener, saved);
      this.#options.log(`tree ${facts.number} goes on: container ${facts.container!.id} under ${facts.policy.name}`);
    }
  }

  /** Ends the supervisor's thread. */
  end(): Promise<void> {
    return this.#options.supervision.end();
  }

  #ended(tree: Tree, one: SupervisedTree, why: string | undefined): void {
    const { number, container } = tree.facts;
    tree.listeners.delete(one);
    // `run` tells its user about its command.
    if (why !== undefined && container !== undefined) {
      const text = `the supervisor failed and everything is denied from now on: ${why}`;
      tree.record({ kind: "notice", time: Date.now(), text });
    }
    if (tree.listeners.size > 0) return;
    this.#trees.delete(number);
    const { calls, refused } = tree.status;
    if (container !== undefined)
      this.#options.log(`tree ${number} has ended: ${calls} calls judged, ${refused} refused`);
    void tree.end();
  }
}
