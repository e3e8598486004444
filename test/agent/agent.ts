/** Runs an agent, and containers of the test's own runtime (runtime.c) under it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { AgentStatus } from "../../src/agent/control.ts";
import { jsonLinesSoFar } from "../support/json-lines.ts";
import { patience, until } from "../support/patience.ts";
import { compiled } from "../support/run.ts";
import { folders } from "./folder-policies.ts";
import type { Manager } from "./manager.ts";

/** The third folder that a tree makes is refused. */
const twoFolders = folders(2, "two folders are enough");

export type Sent = "listener" | "null" | "two" | "nothing" | "silent" | "bytes" | "confined" | "signals";

export interface ContainerOptions {
  readonly id?: string;
  readonly bundle?: string;
  readonly policy?: string;
  readonly digest?: string;
  readonly sends?: Sent;
  readonly annotations?: Readonly<Record<string, string>>;
  /** The whole message, instead of a right one. */
  readonly message?: string;
  readonly status?: string;
}

/** What a container runtime sends with a listener. Each @ stands for the process. */
export function messageOf({
  id = "one",
  bundle = "/bundle",
  policy = "two-folders",
  digest,
  annotations,
  status = "creating",
}: ContainerOptions & { readonly digest: string }): string {
  return JSON.stringify({
    ociVersion: "1.0.2",
    fds: ["seccompFd"],
    pid: "@",
    metadata: JSON.stringify({ portcullis: 1, policy, digest, parameters: {} }),
    state: { ociVersion: "1.0.2", id, status, pid: "@", bundle, annotations },
  }).replaceAll('"@"', "@");
}

export interface Outcome {
  readonly status: number | null;
  readonly out: string;
}

/** Whose agent it is. */
export interface OtherUser {
  /** The words of that user's portcullis (test/support/ordinary-user.ts). */
  readonly program: readonly string[];
  readonly uid: number | undefined;
}

export class TestAgent {
  readonly folder = mkdtempSync(join(tmpdir(), "portcullis-agent-"));
  readonly policies = join(this.folder, "policies");
  socket = join(this.folder, "run/agent.sock");
  readonly events = join(this.folder, "events");
  #child: ChildProcess | undefined;
  #said = "";
  readonly #commands: ChildProcess[] = [];

  /** The words of portcullis, which can begin with those that make it another user's. */
  readonly #program: readonly string[];

  constructor(
    policies: Readonly<Record<string, string>> = { "two-folders.ts": twoFolders },
    { program, uid }: OtherUser = { program: [join(process.cwd(), "bin/portcullis")], uid: undefined },
  ) {
    this.#program = program;
    mkdirSync(this.policies);
    for (const [name, text] of Object.entries(policies)) this.write(name, text);
    if (uid !== undefined) chownSync(this.folder, uid, uid);
  }

  /** Writes a policy of its folder. */
  write(name: string, text: string): void {
    writeFileSync(join(this.policies, name), text);
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** What it has written to standard error. */
  get said(): string {
    return this.#said;
  }

  async start(words: readonly string[] = [], environment: NodeJS.ProcessEnv = {}, cwd = "."): Promise<void> {
    const says = `agent: serves ${this.socket}`;
    const [program, ...first] = this.#program;
    await this.#spawned(program!, [...first, ...this.#words(words)], environment, says, cwd);
  }

  /** These words execute it. */
  async startBy(program: string, ...words: readonly string[]): Promise<void> {
    const all = [...words, ...this.#program, ...this.#words([])];
    await this.#spawned(program, all, {}, `agent: serves ${this.socket}`, ".");
  }

  /** Starts it as systemd does, with the descriptors of its store. */
  async startUnder(manager: Manager, words: readonly string[] = [], room?: number): Promise<void> {
    const { given } = manager;
    const environment = {
      ...manager.environment(room),
      LISTEN_FDS: String(given.length),
      LISTEN_FDNAMES: given.map(({ name }) => name).join(":"),
    };
    const program = ["-c", 'LISTEN_PID=$$ exec "$0" "$@"', ...this.#program, ...this.#words(words)];
    const descriptors = given.map(({ descriptor }) => descriptor);
    await this.#spawned("sh", program, environment, `agent: serves ${this.socket}`, ".", descriptors);
  }

  /** Systemd's sockets listen from now on, and the first connection starts the agent. */
  async startByConnection(): Promise<void> {
    const folder = dirname(this.socket);
    const sockets = ["agent", "control", "run"].flatMap((name) => ["-l", join(folder, `${name}.sock`)]);
    mkdirSync(folder, { mode: 0o700 });
    const words = [...sockets, ...this.#program, ...this.#words([])];
    await this.#spawned("systemd-socket-activate", words, {}, "Listening on");
  }

  #words(words: readonly string[]): readonly string[] {
    return ["agent", "--socket", this.socket, "--policies", this.policies, "--events", this.events, ...words];
  }

  async #spawned(
    program: string,
    words: readonly string[],
    environment: NodeJS.ProcessEnv,
    says: string,
    cwd = ".",
    descriptors: readonly number[] = [],
  ): Promise<void> {
    this.#said = "";
    const child = spawn(program, words, {
      stdio: ["ignore", "ignore", "pipe", ...descriptors],
      env: { ...process.env, ...environment },
      cwd,
    });
    this.#child = child;
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#said += text;
    });
    await until("the agent serves", () => {
      if (child.exitCode !== null && child.stderr!.destroyed) throw new Error(this.#said);
      return this.#said.includes(says);
    });
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    this.#child = undefined;
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await once(child, "exit");
    }
    return child.exitCode;
  }

  async close(): Promise<void> {
    await this.end();
    for (const command of this.#commands) command.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  status(): AgentStatus {
    const [program, ...first] = this.#program;
    const words = [...first, "agent", "status", "--json", "--socket", this.socket];
    const { stdout, stderr, status } = spawnSync(program!, words, {
      encoding: "utf8",
      timeout: patience.command,
    });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as AgentStatus;
  }

  digest(policy: string): string {
    const found = this.status().policies.find(({ name }) => name === policy)?.digest;
    if (found === undefined) throw new Error(`no policy ${policy}`);
    return found;
  }

  get eventLines(): readonly Record<string, unknown>[] {
    return jsonLinesSoFar(this.events);
  }

  message(options: ContainerOptions): string {
    return messageOf({ ...options, digest: options.digest ?? this.digest(options.policy ?? "two-folders") });
  }

  /** Starts a command in a container. */
  spawn(options: ContainerOptions, ...command: readonly string[]): ChildProcess {
    const runtime = compiled("test/agent/runtime.c");
    const words = [this.socket, options.message ?? this.message(options), options.sends ?? "listener", ...command];
    const child = spawn(runtime, words, { stdio: ["pipe", "pipe", "pipe"], cwd: this.folder });
    this.#commands.push(child);
    return child;
  }

  async run(options: ContainerOptions, ...command: readonly string[]): Promise<Outcome> {
    const child = this.spawn(options, ...command);
    let out = "";
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => {
        out += text;
      });
    const timer = setTimeout(() => child.kill("SIGKILL"), patience.command);
    const [status] = (await once(child, "close")) as [number | null];
    clearTimeout(timer);
    return { status, out };
  }
}
