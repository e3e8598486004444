/** One command that this agent supervises for a front: what src/engines/notify/run.ts does in a process of its own. */
import { CommandWatch } from "../../engines/command/command-watch.ts";
import { ProtectedFiles } from "../../engines/command/protected-files.ts";
import { SigsysWatch } from "../../engines/command/sigsys.ts";
import { type Started, startOrders, type TreeOptions } from "../../engines/launcher/launcher.ts";
import { launched, ordersFor } from "../../engines/notify/launch.ts";
import type { NotifyPolicy } from "../../engines/notify/policy/policy.ts";
import type { SupervisedTree } from "../../engines/notify/supervision.ts";
import { treeFilter } from "../../engines/notify/tree-filter.ts";
import { type EventOutput, eventOutput } from "../../events/output.ts";
import { close, nameOf } from "../../machine/descriptors.ts";
import { SystemCallError } from "../../machine/native.ts";
import { readProc } from "../../machine/proc.ts";
import type { Readiness } from "../../machine/readiness.ts";
import { isListener } from "../../machine/seccomp.ts";
import { stillRuns } from "../../observe/status/peer.ts";
import type { CommandFacts, CommandOrder } from "../trees.ts";
import { type Client, isOfUser, parseRights } from "./client.ts";
import type { FrontChannel } from "./front-channel.ts";
import { LauncherTalk } from "./launcher-talk.ts";
import { closeStrange } from "./strange.ts";

/** What a client asks for, examined and compiled. */
export interface PreparedRun {
  readonly policy: NotifyPolicy;
  readonly tree: TreeOptions;
  /** The launcher's last words. */
  readonly command: readonly string[];
  /** No events, and no messages about an audit. */
  readonly quiet: boolean;
}

export interface RunSurroundings {
  /** The command runs. */
  readonly onStarted: () => void;
  readonly readiness: Readiness;
  /** The client, whose child the launcher is. */
  readonly front: Client;
  readonly user: number;
  readonly channel: FrontChannel;
  readonly supervise: (order: CommandOrder, facts: CommandFacts) => SupervisedTree;
}

const advice = "with --kill-events the supervisor kills instead, and the call and the policy's line become an event";
/** Milliseconds for which the end waits for a front that does not read. */
const patience = 2000;
const pause = 20;

/** "refused": nothing was started. "ended": the command's tree has ended, and the front knows it or has gone. */
export type RunOutcome = "refused" | "ended" | { readonly failure: string };

export class LocalRun {
  readonly #prepared: PreparedRun;
  readonly #surroundings: RunSurroundings;
  readonly #filter;
  readonly #output: EventOutput | undefined;
  readonly #protectedFiles: ProtectedFiles;
  readonly #talk: LauncherTalk;
  readonly #sigsys: SigsysWatch;
  #finish!: (outcome: RunOutcome) => void;
  #supervised: Promise<string | undefined> | undefined;
  #watch: CommandWatch | undefined;
  readonly outcome = new Promise<RunOutcome>((resolve) => {
    this.#finish = resolve;
  });

  /** Orders the launcher to start the command. Throws a StartError or a SystemCallError. */
  constructor(launcher: number, prepared: PreparedRun, surroundings: RunSurroundings) {
    this.#prepared = prepared;
    this.#surroundings = surroundings;
    const { policy, tree, command, quiet } = prepared;
    this.#filter = treeFilter(policy);
    const { fallback, readOnlyProc, objects, description } = policy;
    const orders = ordersFor({ filter: this.#filter, fallback, tree, readOnlyProc, objects });
    const { channel, readiness } = surroundings;
    this.#output = quiet
      ? undefined
      : eventOutput(channel, { policy: description, form: "lines", name: "file descriptor 2" });
    this.#protectedFiles = new ProtectedFiles(objects);
    this.#sigsys = new SigsysWatch({ ...policy.filter, advice });
    this.#talk = new LauncherTalk(launcher, startOrders(orders, command.length), readiness, {
      onStarted: (started) => this.#start(started),
      onRefused: () => this.#leave("refused"),
      onMessage: (message) => {
        const goesOn = this.#watch!.heed(message);
        if (!goesOn) void this.#end();
        return goesOn;
      },
    });
  }

  /** Before the command runs: the launcher then starts nothing. */
  abandon(): void {
    if (this.#watch !== undefined) return;
    this.#talk.end();
    this.#leave("refused");
  }

  #start(started: Started): void {
    const { policy } = this.#prepared;
    const { listener, fellBack, pidfd, pid } = launched(started);
    const isNotified = policy.filter.notifies && !fellBack;
    const strange = isNotified && listener === undefined ? undefined : this.#doubtAbout(started, isNotified);
    const unused = isNotified ? started.descriptors.slice(1) : started.descriptors;
    if (strange !== undefined) {
      for (const descriptor of [pidfd, ...started.descriptors]) closeStrange(descriptor);
      this.#talk.end();
      this.#leave({ failure: strange });
      return;
    }
    for (const descriptor of unused) closeStrange(descriptor);
    // Without the pidfd: the front ends the command of a launcher that was killed.
    const command = { launcher: started.launcher, pid, pidfd: -1 };
    this.#watch = new CommandWatch(command, this.#record, this.#sigsys, policy);
    this.#surroundings.onStarted();
    if (policy.mode === "audit")
      this.#say("AUDIT: the policy is not enforced; verdicts are recorded, and every call passes");
    if (fellBack) {
      this.#watch.notice("another supervisor already listens here: denials are enforced, but not reported");
    }
    const supervised = isNotified ? this.#supervise(listener, { pid, pidfd }) : undefined;
    if (isNotified && supervised === undefined)
      this.#watch.notice("the supervisor failed and everything is denied: no file descriptor was left at the start");
    this.#supervised = Promise.resolve(supervised?.ended).then((why) => {
      closeStrange(pidfd); // not examined where no listener has come with it
      return why;
    });
  }

  /** Undefined if no descriptor is left: a process of the same user can lower this one's limit (prlimit(2)). */
  #supervise(listener: number | undefined, command: CommandOrder["command"]): SupervisedTree | undefined {
    if (listener === undefined) return undefined;
    const order = { policy: this.#prepared.policy, filter: this.#filter, listener, command, onEvent: this.#record };
    try {
      return this.#surroundings.supervise(order, {
        words: this.#prepared.command,
        user: this.#surroundings.front.otherUser ?? this.#surroundings.user,
      });
    } catch (error) {
      close(listener);
      if (!(error instanceof SystemCallError)) throw error;
      return undefined;
    }
  }

  /**
   * Why these are not a command of this front and its listener; undefined if they are. The launcher is a child of the front,
   * and the command one of the launcher.
   */
  #doubtAbout({ launcher, pid, pidfd, descriptors }: Started, isNotified: boolean): string | undefined {
    if (isNotified && !isListener(descriptors[0]!)) return "the descriptor in the listener's place is no listener";
    if (!pidfdName.test(nameOf(pidfd) ?? "")) return "the descriptor in the pidfd's place is no pidfd";
    const described = Number(/^Pid:\t(-?\d+)$/m.exec(readProc(`self/fdinfo/${pidfd}`) ?? "")?.[1]);
    const parentOf = (one: number) => Number(/^PPid:\t(\d+)$/m.exec(readProc(`${one}/status`) ?? "")?.[1]);
    const { front } = this.#surroundings;
    const isOfFront = described === pid && parentOf(pid) === launcher && parentOf(launcher) === front.pid;
    // Its child can be a setuid program, which a user may neither trace nor stop.
    const rights = parseRights(readProc(`${pid}/status`) ?? "");
    const isOfUserAlone =
      front.otherUser === undefined || (rights?.noNewPrivileges === true && isOfUser(rights, front.otherUser));
    if (!isOfUserAlone && stillRuns(pidfd)) return `process ${pid} is not one of user ${front.otherUser} alone`;
    // A process that has ended since can do nothing, and nothing can be done to it.
    return isOfFront || !stillRuns(pidfd) ? undefined : `process ${pid} was not started for this front`;
  }

  readonly #record: CommandOrder["onEvent"] = (record) => this.#output?.record(record);

  #say(line: string): void {
    if (!this.#prepared.quiet) this.#surroundings.channel.write(Buffer.from(`portcullis: ${line}\n`));
  }

  async #end(): Promise<void> {
    const why = await this.#supervised;
    if (why !== undefined) this.#watch!.notice(`the supervisor failed and everything is denied from now on: ${why}`);
    for (const path of this.#protectedFiles.end())
      this.#watch!.notice(
        `${path} is protected, was missing at the start, and exists now: examine it before another program uses it`,
      );
    await this.#output?.finish();
    if (this.#prepared.policy.mode === "audit") this.#say("AUDIT: the policy was not enforced");
    const { channel } = this.#surroundings;
    const until = Date.now() + patience;
    const waits = () => Date.now() < until && new Promise((wake) => setTimeout(wake, pause, true));
    while (!(channel.tell("end") || channel.isGone) && (await waits()));
    while (!channel.isSettled && (await waits()));
    this.#leave("ended");
  }

  #leave(outcome: RunOutcome): void {
    this.#sigsys.close();
    this.#finish(outcome);
  }
}

/** The second since Linux 6.9 (fs/pidfs.c). */
const pidfdName = /^(?:anon_inode:\[pidfd\]|pidfd:\[\d+\])$/;
