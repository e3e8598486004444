/** The registry of the trees that the agent supervises. All facts about a tree are plain data, so that they can be stored. */
import type { SupervisedTree, Supervision, Suspended } from "../engines/notify/supervision.ts";
import { containerFilter } from "../engines/notify/tree-filter.ts";
import { describe } from "../events/describe.ts";
import type { Origin } from "../events/event.ts";
import type { EventOutput } from "../events/output.ts";
import type { EventRecord } from "../events/record.ts";
import { verdictText } from "../ir/verdicts.ts";
import { StatusReporter } from "../status/reporter.ts";
import { StatusReaders } from "../status/server.ts";
import type { AgentEvents } from "./events.ts";
import type { AgentPolicy } from "./policies.ts";
import type { SuspendedTree } from "./store.ts";

export interface TreeFacts {
  readonly number: number;
  readonly policy: {
    readonly name: string;
    readonly digest: string;
    readonly parameters: Readonly<Record<string, string>>;
  };
  /** Runtimes with other state folders can use an id at the same time; their bundles differ. */
  readonly container: ContainerName;
  readonly origin: Origin;
  /** Seconds since the epoch. */
  readonly started: number;
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
  /** Judgements of each bucket (engines/status.ts), and the sum of their microseconds. */
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

export interface TreesOptions {
  readonly supervision: Supervision;
  readonly events: AgentEvents;
  readonly observer: Observer;
  readonly log: (line: string) => void;
  /** The supervisor's thread has ended, so no tree can be supervised any more. */
  readonly failed: (why: string) => void;
}

/** Milliseconds until calls that are not at a place where they can wait are given up. */
const suspensionPatience = 5000;

export class Tree {
  readonly facts: TreeFacts;
  readonly reporter: StatusReporter;
  readonly readers: StatusReaders;
  readonly policy: AgentPolicy;
  /** With their descriptors, which the supervision owns. */
  readonly listeners = new Map<SupervisedTree, number>();
  readonly #options: TreesOptions;
  readonly #output: EventOutput;
  /** The totals that the observer knows. */
  #counted: readonly number[] = [];
  #countedLatency: readonly number[] = [];
  #countedRefused = 0;

  /** `former`: the sums of another agent, which has told its observer of them. */
  constructor(facts: TreeFacts, policy: AgentPolicy, options: TreesOptions, former?: readonly number[]) {
    this.facts = facts;
    this.policy = policy;
    this.#options = options;
    const { description, state } = policy.compiled;
    this.#output = options.events.of(description, facts.origin);
    this.reporter = new StatusReporter({
      ...{ policy: description, state, command: [], audit: false, engine: "notify", unknown: [] },
      former,
    });
    this.#told();
    this.readers = new StatusReaders(this.reporter);
  }

  record(record: EventRecord): void {
    this.#output.record(record);
    this.reporter.record(record);
    if (record.kind === "notice" && record.dropped !== undefined) this.#options.observer.lostEvents(record.dropped);
    if (record.kind !== "judgement") return;
    for (const event of describe(this.policy.compiled.description, record)) {
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
      if (more > 0) observer.calls(name, this.policy.compiled.description.verdicts[index]!.action, more);
    });
    if (refused > this.#countedRefused) observer.calls(name, "refused", refused - this.#countedRefused);
    observer.judged(latency.map((total, bucket) => total - (this.#countedLatency[bucket] ?? 0)));
    this.#told();
  }

  #told(): void {
    const { verdicts, refused, latency } = this.reporter.totals;
    this.#countedLatency = latency;
    this.#counted = verdicts;
    this.#countedRefused = refused;
  }

  get status(): TreeStatus {
    const { verdicts, refused } = this.reporter.totals;
    const { description } = this.policy.compiled;
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
      ({ facts: { container } }) => container.id === id && (container.bundle === bundle || !bundle.startsWith("/")),
    );
    const bundles = new Set(found.map(({ facts }) => facts.container.bundle));
    return bundles.size > 1 ? "several" : found.at(-1);
  }

  /** Takes the listener over, which it closes. */
  add({ policy, container, origin }: NewTree, listener: number): Tree {
    const { name, digest, parameters } = policy;
    const facts: TreeFacts = {
      ...{ number: ++this.#last, container, origin, started: Date.now() / 1000 },
      policy: { name, digest, parameters: Object.fromEntries(parameters) },
    };
    const tree = new Tree(facts, policy, this.#options);
    this.#trees.set(facts.number, tree);
    this.join(tree, listener);
    return tree;
  }

  /** Supervises a further listener as one of the tree, and takes it over. */
  join(tree: Tree, listener: number): void {
    this.#supervise(tree, listener);
  }

  #supervise(tree: Tree, listener: number, saved?: Suspended): void {
    const { compiled } = tree.policy;
    const [first] = tree.listeners.keys();
    const supervised = this.#options.supervision.supervise({
      ...{ policy: compiled, filter: containerFilter(compiled), listener, command: undefined, joins: first, saved },
      onEvent: (record) => tree.record(record),
      status: { words: tree.reporter.words, onSnapshot: (snapshot) => tree.reporter.snapshot(snapshot) },
    });
    tree.listeners.set(supervised, listener);
    void supervised.ended.then((why) => this.#ended(tree, supervised, why));
  }

  /** No tree may be added or joined from now on. */
  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  /** Ends the supervision, with the listeners open, so that another agent can go on. */
  async suspend(): Promise<{ readonly last: number; readonly trees: readonly SuspendedTree<number>[] }> {
    const { supervision, log } = this.#options;
    this.#isSuspended = true;
    const suspended = new Map(await supervision.suspend(suspensionPatience));
    const trees = this.all.flatMap((tree) => {
      const listeners = [...tree.listeners].flatMap(([supervised, listener]) => {
        const saved = suspended.get(supervised);
        suspended.delete(supervised);
        return saved === undefined ? [] : [{ listener, saved }];
      });
      const { facts, policy, reporter } = tree;
      if (listeners.length < tree.listeners.size) {
        const why = policy.compiled.rooms.length > 0 ? "its policy has rooms" : "its calls do not come to an end";
        log(`tree ${facts.number} does not go on: ${why}`);
      }
      return listeners.length === 0 ? [] : [{ facts, policy, sums: reporter.sums, listeners }];
    });
    if (suspended.size > 0) log(`${suspended.size} trees of portcullis run do not go on`);
    return { last: this.#last, trees };
  }

  /** Goes on with the trees of another agent, before any other is added. */
  restore({ last, trees }: { readonly last: number; readonly trees: readonly SuspendedTree<number>[] }): void {
    this.#last = last;
    for (const { facts, policy, sums, listeners } of trees) {
      const tree = new Tree(facts, policy, this.#options, sums);
      this.#trees.set(facts.number, tree);
      for (const { listener, saved } of listeners) this.#supervise(tree, listener, saved);
      this.#options.log(`tree ${facts.number} goes on: container ${facts.container.id} under ${policy.name}`);
    }
  }

  /** Ends the supervisor's thread. */
  end(): Promise<void> {
    return this.#options.supervision.end();
  }

  #ended(tree: Tree, one: SupervisedTree, why: string | undefined): void {
    if (why !== undefined) {
      const text = `the supervisor failed and everything is denied from now on: ${why}`;
      tree.record({ kind: "notice", time: Date.now(), text });
    }
    tree.listeners.delete(one);
    if (tree.listeners.size > 0) return;
    this.#trees.delete(tree.facts.number);
    const { calls, refused } = tree.status;
    this.#options.log(`tree ${tree.facts.number} has ended: ${calls} calls judged, ${refused} refused`);
    void tree.end();
    const { failed } = this.#options.supervision;
    if (failed !== undefined) this.#options.failed(failed);
  }
}
