/** Container runtimes for tests: each runs a container under a profile, executes in it and kills it. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asUser, ordinaryUser } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";

export interface Container {
  readonly id: string;
  /** The root, which shows the machine's /usr. */
  readonly root: string;
  /** A folder of the test, /shared in the container. Its pipe `line` has what the test says. */
  readonly shared: string;
  /** `linux.seccomp` of config.json, as a text: JSON.parse rounds numbers of 64 bits. */
  readonly profile: string;
  readonly command: readonly string[];
  /** Root of the container is another user of the machine. */
  readonly maps?: boolean;
  /** The id of another container, whose pod this one joins. */
  readonly pod?: string;
}

export type Words = readonly string[];

export interface Runtime {
  readonly name: string;
  /** It knows Container.maps. */
  readonly maps?: boolean;
  /** It knows Container.pod. */
  readonly pods?: boolean;
  /** It and the agent are of an ordinary user. */
  readonly rootless?: boolean;
  /** What it says if it cannot execute a further program in a container whose profile names an agent. */
  readonly refusesExec?: RegExp;
  /** Why it cannot run here; undefined if it can. */
  missing(): string | undefined;
  /** Starts a container. */
  run(container: Container): Run;
  exec(container: Container, command: Words): Promise<Outcome>;
  kill(container: Container): Promise<unknown>;
  remove(container: Container): Promise<unknown>;
  /** How events name the container. */
  origin(container: Container): Promise<{ readonly containerId: string }>;
  /** Starts its daemon, and resolves with the function that ends it. */
  start?(): Promise<() => Promise<void>>;
  /** Its own folders, each with the usual one that it stands for. */
  folders?(container: Container): readonly (readonly [own: string, usual: string])[];
}

/** A container that runs, or has ended. */
export interface Run {
  /** What it has written. */
  readonly out: string;
  /** For conditions: false while it runs. @throws Error with its output when it has ended. */
  readonly failure: false;
  end(): Promise<Outcome>;
}

/** A runtime whose commands are programs: their words. */
export interface Program
  extends Pick<Runtime, "name" | "maps" | "rootless" | "refusesExec" | "missing" | "start" | "folders"> {
  run(container: Container): Words;
  exec(container: Container, command: Words): Words;
  kill(container: Container): Words;
  remove(container: Container): Words;
  /** Prints the id that it has given the container. Default: Container.id. */
  id?(container: Container): Words;
}

export function ofProgram({ run, exec, kill, remove, id, ...rest }: Program): Runtime {
  const done = (words: Words) => new Running(words).end();
  return {
    ...rest,
    run: (container) => new Running(run(container)),
    exec: (container, command) => done(exec(container, command)),
    kill: (container) => done(kill(container)),
    remove: (container) => done(remove(container)),
    origin: async (container) => ({
      containerId: id === undefined ? container.id : (await done(id(container))).out.trim(),
    }),
  };
}

export interface Outcome {
  readonly status: number | null;
  readonly out: string;
}

/** crun refuses a cgroup2 beside controllers of version 1, so the mount namespace of each command does not have it. */
export function inNamespace(words: Words): Words {
  return ["unshare", "--mount", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh", ...words];
}

export function whyNone(...programs: Words): string | undefined {
  if (process.geteuid?.() !== 0) return "a container without user namespaces needs root";
  if (spawnSync("unshare", ["--mount", "true"]).status !== 0) return "root may make no mount namespace here";
  const absent = programs.find((program) => spawnSync(program, ["--version"]).error !== undefined);
  return absent === undefined ? undefined : `${absent} is not installed`;
}

export const environment = ["PATH=/usr/bin:/usr/sbin", "LC_ALL=C"];

/** crun and runc with a bundle. */
export function ociRuntime(name: "crun" | "runc"): Runtime {
  const words = ({ root }: Container, ...rest: Words) => [name, "--root", join(root, "../state"), ...rest];
  return ofProgram({
    ...ofBundle(words, ({ maps }) => (maps ? [{ containerID: 0, hostID: 100_000, size: 65_536 }] : undefined)),
    name,
    maps: true,
    missing: () => whyNone(name),
  });
}

/** The same as an ordinary user, who has a range of further users. */
export function rootlessRuntime(name: "crun" | "runc"): Runtime {
  const options = name === "crun" ? ["--cgroup-manager", "disabled"] : ["--rootless", "true"];
  return ofProgram({
    ...ofBundle(
      (container, ...rest) =>
        rootless(container, name, "--root", join(container.root, "../state"), ...options, ...rest),
      () => [
        { containerID: 0, hostID: ordinaryUser, size: 1 },
        { containerID: 1, hostID: firstSubordinate, size: 65_535 },
      ],
    ),
    name: `${name}, rootless`,
    rootless: true,
    // It may not take the listener from the process that it starts.
    ...(name === "runc" ? { refusesExec: /performing SYS_PIDFD_GETFD syscall: operation not permitted/ } : {}),
    missing: () => whyNone(name, "newuidmap"),
  });
}

/** The first of the ordinary user's subordinate users (subuid(5)). */
const firstSubordinate = 200_000;

/** As the ordinary user. The mount namespace has subordinate users and groups for that one. */
export function rootless({ root }: Container, ...words: Words): Words {
  const file = join(root, "../subordinate");
  writeFileSync(file, `${ordinaryUser}:${firstSubordinate}:65535\n`);
  for (const folder of ["..", ".", "etc", "tmp"]) chownSync(join(root, folder), ordinaryUser, ordinaryUser);
  const script = 'mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && exec "$@"';
  return ["sh", "-c", script, file, ...asUser(ordinaryUser, ...words)];
}

type Commands = Pick<Program, "run" | "exec" | "kill" | "remove">;

type Mapping = readonly { readonly containerID: number; readonly hostID: number; readonly size: number }[];

/** `mappingOf`: that of the container's user namespace, if it has one. */
function ofBundle(
  words: (container: Container, ...rest: Words) => Words,
  mappingOf: (container: Container) => Mapping | undefined,
): Commands {
  return {
    run(container) {
      const bundle = join(container.root, "..");
      writeFileSync(join(bundle, "config.json"), configuration(container, mappingOf(container)));
      return words(container, "run", "--bundle", bundle, container.id);
    },
    exec: (container, command) => words(container, "exec", container.id, ...command),
    kill: (container) => words(container, "kill", container.id, "KILL"),
    remove: (container) => words(container, "delete", "--force", container.id),
  };
}

/** Of config.json. */
export interface Additions {
  /** Further fields of the command's process. */
  readonly process?: object;
  readonly mounts?: readonly object[];
}

export function configuration(
  { root, shared, profile, command }: Pick<Container, "root" | "shared" | "profile" | "command">,
  mapping: Mapping | undefined,
  { process, mounts = [] }: Additions = {},
): string {
  const config = {
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      args: command,
      env: environment,
      cwd: "/",
      noNewPrivileges: true,
      capabilities: { bounding: [], effective: [], permitted: [] },
      ...process,
    },
    root: { path: root },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/usr", type: "bind", source: "/usr", options: ["rbind", "ro"] },
      { destination: "/shared", type: "bind", source: shared, options: ["rbind"] },
      { destination: "/dev", type: "tmpfs", source: "tmpfs" },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs" },
      ...mounts,
    ],
    linux: {
      namespaces: ["pid", "mount", "ipc", "uts", ...(mapping === undefined ? [] : ["user"])].map((type) => ({ type })),
      ...(mapping === undefined ? {} : { uidMappings: mapping, gidMappings: mapping }),
      seccomp: "PROFILE",
    },
  };
  return JSON.stringify(config).replace('"PROFILE"', () => profile);
}

/** A folder with the root of a container, and what the test shares with it. */
export class Place {
  readonly folder: string;
  readonly root: string;
  readonly shared: string;
  readonly #line: number;

  constructor(parent = tmpdir()) {
    this.folder = mkdtempSync(join(parent, "portcullis-container-"));
    this.root = join(this.folder, "rootfs");
    this.shared = join(this.folder, "shared");
    chmodSync(this.folder, 0o755);
    for (const folder of ["usr", "proc", "dev", "tmp", "shared"])
      mkdirSync(join(this.root, folder), { recursive: true });
    for (const name of ["bin", "sbin", "lib", "lib64"])
      if (existsSync(`/${name}`)) symlinkSync(`usr/${name}`, join(this.root, name));
    mkdirSync(join(this.root, "etc"));
    writeFileSync(join(this.root, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\n");
    writeFileSync(join(this.root, "etc/group"), "root:x:0:\n");
    mkdirSync(this.shared);
    chmodSync(this.shared, 0o777);
    const line = join(this.shared, "line");
    execFileSync("mkfifo", ["--mode", "666", line]);
    // For reading, too, so that neither side waits for the other to open it.
    this.#line = openSync(line, "r+");
  }

  /** A container that reads a line from /shared/line goes on. */
  say(): void {
    writeSync(this.#line, "\n");
  }

  remove(): void {
    closeSync(this.#line);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A command of a runtime. */
class Running implements Run {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  out = "";

  constructor(words: Words) {
    const [program, ...rest] = inNamespace(words);
    this.#child = spawn(program!, rest, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.out += text;
      });
    this.#ended = once(this.#child, "close").then(([status]) => status as number | null);
  }

  get failure(): false {
    if (this.#child.exitCode !== null) throw new Error(`it has ended: ${this.out}`);
    return false;
  }

  async end(): Promise<Outcome> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), patience.command);
    const status = await this.#ended;
    clearTimeout(timer);
    return { status, out: this.out };
  }
}
