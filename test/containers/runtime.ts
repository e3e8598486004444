/** Container runtimes for tests: the words that run a container under a profile, execute in it and kill it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patience } from "../support/patience.ts";

export interface Container {
  readonly id: string;
  /** The root, which shows the machine's /usr. */
  readonly root: string;
  /** A folder of the test, /shared in the container. */
  readonly shared: string;
  /** `linux.seccomp` of config.json, as a text: JSON.parse rounds numbers of 64 bits. */
  readonly profile: string;
  readonly command: readonly string[];
  /** Root of the container is another user of the machine. */
  readonly maps?: boolean;
}

export type Words = readonly string[];

export interface Runtime {
  readonly name: string;
  /** It knows Container.maps. */
  readonly maps: boolean;
  /** Why it cannot run here; undefined if it can. */
  missing(): string | undefined;
  run(container: Container): Words;
  exec(container: Container, command: Words): Words;
  kill(container: Container): Words;
  remove(container: Container): Words;
  /** The words that print the id that it has given the container. Default: Container.id. */
  id?(container: Container): Words;
  /** Starts its daemon, and resolves with the function that ends it. */
  start?(): Promise<() => Promise<void>>;
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
  const absent = programs.find((program) => spawnSync(program, ["--version"]).status !== 0);
  return absent === undefined ? undefined : `${absent} is not installed`;
}

export const environment = ["PATH=/usr/bin:/usr/sbin", "LC_ALL=C"];

/** crun and runc with a bundle. */
export function ociRuntime(name: "crun" | "runc"): Runtime {
  const words = ({ root }: Container, ...rest: Words) => [name, "--root", join(root, "../state"), ...rest];
  return {
    name,
    maps: true,
    missing: () => whyNone(name),
    run(container) {
      const bundle = join(container.root, "..");
      writeFileSync(join(bundle, "config.json"), configuration(container));
      return words(container, "run", "--bundle", bundle, container.id);
    },
    exec: (container, command) => words(container, "exec", container.id, ...command),
    kill: (container) => words(container, "kill", container.id, "KILL"),
    remove: (container) => words(container, "delete", "--force", container.id),
  };
}

function configuration({ root, shared, profile, command, maps }: Container): string {
  const mapping = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  const config = {
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      args: command,
      env: environment,
      cwd: "/",
      noNewPrivileges: true,
      capabilities: { bounding: [], effective: [], permitted: [] },
    },
    root: { path: root },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/usr", type: "bind", source: "/usr", options: ["rbind", "ro"] },
      { destination: "/shared", type: "bind", source: shared, options: ["rbind"] },
      { destination: "/dev", type: "tmpfs", source: "tmpfs" },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs" },
    ],
    linux: {
      namespaces: ["pid", "mount", "ipc", "uts", ...(maps ? ["user"] : [])].map((type) => ({ type })),
      ...(maps ? { uidMappings: mapping, gidMappings: mapping } : {}),
      seccomp: "PROFILE",
    },
  };
  return JSON.stringify(config).replace('"PROFILE"', () => profile);
}

/** A folder with the root of a container, and what the test shares with it. */
export class Place {
  readonly folder = mkdtempSync(join(tmpdir(), "portcullis-container-"));
  readonly root = join(this.folder, "rootfs");
  readonly shared = join(this.folder, "shared");

  constructor() {
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
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A command of a runtime that runs. */
export class Running {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  out = "";

  constructor(words: Words) {
    const [program, ...rest] = inNamespace(words);
    this.#child = spawn(program!, rest, { stdio: ["pipe", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.out += text;
      });
    this.#ended = once(this.#child, "close").then(([status]) => status as number | null);
  }

  /** For conditions: false while it runs. @throws Error with its output when it has ended. */
  get failure(): false {
    if (this.#child.exitCode !== null) throw new Error(`it has ended: ${this.out}`);
    return false;
  }

  say(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  async end(): Promise<Outcome> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), patience.command);
    const status = await this.#ended;
    clearTimeout(timer);
    return { status, out: this.out };
  }
}
