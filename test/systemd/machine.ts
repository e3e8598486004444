/** A machine whose first process is Debian's systemd: namespaces of this one, with a root of its own (boot). */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patience, until } from "../support/patience.ts";

/** Why it cannot run here; undefined if it can. */
export function whyNoMachine(): string | undefined {
  if (process.geteuid?.() !== 0) return "namespaces for systemd need root";
  if (!existsSync("/usr/lib/systemd/systemd")) return "systemd is not installed";
  const group = ownGroup();
  if (group === undefined) return "no cgroup2 is mounted";
  const own = join(group, `portcullis-try-${process.pid}`);
  try {
    mkdirSync(own);
    rmdirSync(own);
  } catch (error) {
    return `no cgroup can be made here: ${(error as Error).message}`;
  }
  const tried = spawnSync("unshare", [...namespaces, "sh", "-c", tryMounts], { encoding: "utf8" });
  return tried.status === 0 ? undefined : `no namespaces with an overlay of /usr here: ${tried.stderr.trim()}`;
}

const namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--uts", "--ipc", "--net"];
const tryMounts = `set -e; mount --make-rprivate /; mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir upper work usr
mount -t overlay -o lowerdir=/usr,upperdir=upper,workdir=work overlay usr; mount -t cgroup2 cgroup2 work`;

/** The folder of this process's cgroup, where cgroup2 is mounted. */
function ownGroup(): string | undefined {
  const mounted = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/self/mounts", "utf8"))?.[1];
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  return mounted === undefined || own === undefined ? undefined : join(mounted, own);
}

export interface Outcome {
  readonly status: number | null;
  /** Standard output and standard error. */
  readonly out: string;
}

/** The ordinary user, who has a home directory and can have a manager of services. */
export const someone = 1000;

const inside = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", LC_ALL: "C", HOME: "/root" } as const;

/** A command in the machine. */
export class Command {
  readonly child: ChildProcess;
  out = "";
  readonly #closed: Promise<unknown>;

  constructor(words: readonly string[], environment: NodeJS.ProcessEnv) {
    const [program, ...rest] = words;
    this.child = spawn(program!, rest, { stdio: ["pipe", "pipe", "pipe"], env: environment });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.out += text;
      });
    // A command need not read.
    this.child.stdin!.on("error", () => undefined);
    this.#closed = once(this.child, "close");
  }

  say(text: string): void {
    this.child.stdin!.write(text);
  }

  async says(text: string): Promise<void> {
    await until(`it says ${text}`, () => {
      if (this.out.includes(text)) return true;
      if (this.child.exitCode !== null) throw new Error(`it has ended: ${this.out}`);
      return false;
    });
  }

  async end(): Promise<Outcome> {
    const timer = setTimeout(() => this.child.kill("SIGKILL"), patience.command);
    this.child.stdin!.end();
    await this.#closed;
    clearTimeout(timer);
    return { status: this.child.exitCode, out: this.out };
  }
}

export class Machine {
  /** A folder that is /shared in the machine. */
  readonly shared = mkdtempSync(join(tmpdir(), "portcullis-systemd-"));
  readonly #group = join(ownGroup()!, `portcullis-systemd-${process.pid}`);
  #said = "";
  #child: ChildProcess | undefined;
  #first = 0;

  /** Boots it, with the units of examples/systemd. */
  async boot(): Promise<void> {
    for (const folder of ["root", "units/system", "units/user"])
      mkdirSync(join(this.shared, folder), { recursive: true });
    chmodSync(this.shared, 0o755);
    const examples = join(process.cwd(), "examples/systemd");
    for (const [from, to] of [
      [examples, "system"],
      [join(examples, "user"), "user"],
    ] as const)
      for (const name of readdirSync(from).filter((one) => one.startsWith("portcullis-")))
        cpSync(join(from, name), join(this.shared, "units", to, name));
    mkdirSync(this.#shell, { recursive: true });
    const words = [this.#group, "setpriv", "--pdeathsig", "KILL", "unshare", ...namespaces];
    const boot = [join(process.cwd(), "test/systemd/boot"), this.shared, process.execPath];
    const child = spawn("sh", ["-c", joins, ...words, ...boot], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#said += text;
      });
    this.#first = await until("the first process", () => {
      this.#expectAlive();
      return Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim()) || undefined;
    });
    await until("systemd has booted", async () => {
      this.#expectAlive();
      return (await this.run("systemctl", "is-system-running")).out === "running\n";
    });
  }

  #expectAlive(): void {
    if (this.#child!.exitCode !== null || this.#child!.signalCode !== null)
      throw new Error(`the machine has ended: ${this.#said}`);
  }

  get #shell(): string {
    return join(this.#group, "shell");
  }

  /** Starts a command as root. */
  start(...words: readonly string[]): Command {
    const enter = ["nsenter", "--target", `${this.#first}`, "--all", "--wdns=/", "--"];
    return new Command(["sh", "-c", joins, this.#shell, ...enter, ...words], inside);
  }

  /** The words of a command as `someone`. The mounts and ids are those of the machine; no session is made. */
  asSomeone(...words: readonly string[]): readonly string[] {
    const ids = [`--reuid=${someone}`, `--regid=${someone}`, "--init-groups"];
    return ["setpriv", ...ids, "env", "HOME=/home/someone", `XDG_RUNTIME_DIR=/run/user/${someone}`, ...words];
  }

  run(...words: readonly string[]): Promise<Outcome> {
    return this.start(...words).end();
  }

  /** The output of a command that must succeed. */
  async ask(...words: readonly string[]): Promise<string> {
    const { status, out } = await this.run(...words);
    if (status !== 0) throw new Error(`${words.join(" ")} ended with ${status}: ${out}`);
    return out;
  }

  /** A file of the machine, for this process. */
  path(name: string): string {
    return join(`/proc/${this.#first}/root`, name);
  }

  /** Writes a file of the machine, and makes its folder. */
  write(name: string, text: string): void {
    mkdirSync(join(this.path(name), ".."), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    await until("all processes have ended", () => removeGroup(this.#group));
    rmSync(this.shared, { recursive: true, force: true });
  }
}

/** Enters the cgroup of its first argument, and executes the others. */
const joins = 'echo $$ >"$0/cgroup.procs" && exec "$@"';

function removeGroup(group: string): boolean {
  try {
    for (const entry of readdirSync(group, { withFileTypes: true }))
      if (entry.isDirectory() && !removeGroup(join(group, entry.name))) return false;
    rmdirSync(group);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}
