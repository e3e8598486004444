/** podman, docker, and containerd by its `ctr`. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../support/patience.ts";
import {
  type Container,
  environment,
  inNamespace,
  ofProgram,
  Place,
  type Program,
  type Runtime,
  rootless,
  type Words,
  whyNone,
} from "./runtime.ts";

export function profileOf({ root, profile }: Container): string {
  const file = join(root, "../profile.json");
  writeFileSync(file, profile);
  return file;
}

export function podman(runtime: "crun" | "runc"): Runtime {
  return ofProgram({ ...ofPodman(runtime, (_, ...words) => words), name: `podman with ${runtime}` });
}

/** As an ordinary user, with folders of its own. */
export function rootlessPodman(runtime: "crun" | "runc"): Runtime {
  const asUser = (container: Container, ...words: Words): Words => {
    const folder = join(container.root, "..");
    return rootless(container, "env", `HOME=${folder}`, `XDG_RUNTIME_DIR=${folder}`, `TMPDIR=${folder}`, ...words);
  };
  const { remove, ...rest } = ofPodman(runtime, asUser);
  return ofProgram({
    ...rest,
    name: `podman with ${runtime}, rootless`,
    rootless: true,
    missing: () => whyNone("podman", runtime, "newuidmap"),
    // The process that keeps podman's user namespace outlives its containers.
    remove: (container) => {
      const pause = join(container.root, "../libpod/tmp/pause.pid");
      return ["sh", "-c", '"$@"; kill -KILL "$(cat "$0")"', pause, ...remove(container)];
    },
  });
}

function ofPodman(
  runtime: "crun" | "runc",
  asUser: (container: Container, ...words: Words) => Words,
): Omit<Program, "name"> {
  const words = (container: Container, ...rest: Words) =>
    asUser(
      container,
      ...["podman", "--root", join(container.root, "../podman"), "--runroot", join(container.root, "../podman-run")],
      ...["--runtime", runtime, "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--log-level", "error"],
      ...rest,
    );
  return {
    missing: () => whyNone("podman", runtime),
    run: (container) =>
      words(container, "run", ...optionsOf(container), ...["--rootfs", container.root, ...container.command]),
    exec: (container, command) => words(container, "exec", container.id, ...command),
    kill: (container) => words(container, "kill", container.id),
    remove: (container) => words(container, "rm", "--force", "--ignore", "--time", "0", container.id),
    id: (container) => words(container, "inspect", "--format", "{{.Id}}", container.id),
    folders: ({ root }) => [[join(root, "../podman"), "/var/lib/containers/storage"]],
  };
}

/** Docker has podman's options. */
const optionsOf = (container: Container): Words => [
  ...["--network", "none", "--name", container.id, "--cap-drop", "all"],
  ...["--security-opt", "no-new-privileges", "--security-opt", `seccomp=${profileOf(container)}`],
  ...["--volume", "/usr:/usr:ro", "--volume", `${container.shared}:/shared`],
  ...environment.flatMap((variable) => ["--env", variable]),
];

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}

export function containerd(runtime: "crun" | "runc"): Runtime {
  let folder = "";
  const words = (...rest: Words) => ["ctr", "--address", join(folder, "socket"), ...rest];
  const mount = (from: string, to: string, options: string) => [
    "--mount",
    `type=bind,src=${from},dst=${to},options=${options}`,
  ];
  return ofProgram({
    name: `ctr with ${runtime}`,
    missing: () => whyNone("containerd", "ctr", runtime),
    run: (container) =>
      words(
        "run",
        "--rm",
        "--runc-binary",
        runtime,
        "--seccomp",
        "--seccomp-profile",
        profileOf(container),
        ...[
          ...mount("/usr", "/usr", "rbind:ro"),
          ...mount(container.shared, "/shared", "rbind"),
          ...environment.flatMap((variable) => ["--env", variable]),
          ...["--rootfs", container.root, container.id, ...container.command],
        ],
      ),
    exec: ({ id }, command) => words("task", "exec", "--exec-id", `exec-${performance.now()}`, id, ...command),
    kill: ({ id }) => words("task", "kill", "--signal", "SIGKILL", id),
    remove: ({ id }) => words("container", "rm", id),
    folders: () => [
      [join(folder, "state/io.containerd.runtime.v2.task"), "/run/containerd/io.containerd.runtime.v2.task"],
    ],
    async start() {
      folder = mkdtempSync(join(tmpdir(), "portcullis-containerd-"));
      const configuration = join(folder, "config.toml");
      const text = `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${folder}/socket"
`;
      writeFileSync(configuration, text);
      return daemon(folder, ["containerd", "--config", configuration]);
    },
  });
}

/** Docker runs runc, through a containerd of its own. */
export function docker(): Runtime {
  let folder = "";
  const words = (...rest: Words) => ["docker", "--host", `unix://${folder}/socket`, ...rest];
  return ofProgram({
    name: "docker with runc",
    missing: () => whyNone("dockerd", "docker", "containerd", "runc"),
    run: (container) => words("run", ...optionsOf(container), ...["root", ...container.command]),
    exec: ({ id }, command) => words("exec", id, ...command),
    kill: ({ id }) => words("kill", id),
    remove: ({ id }) => words("rm", "--force", id),
    id: ({ id }) => words("inspect", "--format", "{{.Id}}", id),
    folders: () => [
      [join(folder, "root"), "/var/lib/docker"],
      [join(folder, "state"), "/run/docker"],
    ],
    async start() {
      folder = mkdtempSync(join(tmpdir(), "portcullis-docker-"));
      const stop = await daemon(folder, [
        ...["dockerd", "--host", `unix://${folder}/socket`, "--pidfile", join(folder, "pid")],
        ...["--data-root", join(folder, "root"), "--exec-root", join(folder, "state"), "--storage-driver", "vfs"],
        ...["--bridge=none", "--iptables=false", "--ip6tables=false"],
      ]);
      const place = new Place();
      const archive = join(folder, "root.tar");
      execFileSync("tar", ["-C", place.root, "-cf", archive, "."]);
      place.remove();
      execFileSync("docker", [...words("import", archive, "root").slice(1)]);
      return stop;
    },
  });
}

/** Starts a daemon that serves `socket` in the folder, and resolves with the function that ends it. */
export async function daemon(folder: string, words: Words): Promise<() => Promise<void>> {
  const [program, ...rest] = inNamespace(words);
  const child = spawn(program!, rest, { stdio: "ignore" });
  await until(`${words[0]} serves`, () => {
    if (child.exitCode !== null) throw new Error(`${words[0]} has ended with ${child.exitCode}`);
    return existsSync(join(folder, "socket"));
  });
  return async () => {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
}
