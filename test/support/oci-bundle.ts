/** Bundles of the OCI runtime specification that show the machine's /usr, and their runs by crun and runc. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { patience } from "./patience.ts";

export const runtimes = ["crun", "runc"] as const;
export type Runtime = (typeof runtimes)[number];

/** Why a runtime cannot run a container here; undefined if it can. */
export function whyNoContainer(runtime: Runtime): string | undefined {
  if (process.geteuid?.() !== 0) return "a container without user namespaces needs root";
  if (spawnSync("unshare", ["--mount", "true"]).status !== 0) return "root may make no mount namespace here";
  if (spawnSync(runtime, ["--version"]).status !== 0) return `${runtime} is not installed`;
  return undefined;
}

export interface BundleOptions {
  readonly args: readonly string[];
  /** `linux.seccomp` of config.json, as a text, because JSON.parse rounds numbers of 64 bits. */
  readonly seccomp?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A folder with config.json and a root. The caller removes it. */
export function makeBundle({ args, seccomp, annotations = {} }: BundleOptions): string {
  const bundle = mkdtempSync(join(tmpdir(), "portcullis-bundle-"));
  const root = join(bundle, "rootfs");
  for (const folder of ["usr", "proc", "dev", "tmp"]) mkdirSync(join(root, folder), { recursive: true });
  for (const name of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(root, name));
  const mounts = [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/usr", type: "bind", source: "/usr", options: ["rbind", "ro"] },
    { destination: "/dev", type: "tmpfs", source: "tmpfs" },
    { destination: "/tmp", type: "tmpfs", source: "tmpfs" },
  ];
  const config = {
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      args,
      env: ["PATH=/usr/bin:/usr/sbin", "LC_ALL=C"],
      cwd: "/",
      noNewPrivileges: true,
      capabilities: { bounding: [], effective: [], permitted: [] },
    },
    root: { path: root },
    mounts,
    annotations,
    linux: {
      namespaces: ["pid", "mount", "ipc", "uts"].map((type) => ({ type })),
      ...(seccomp === undefined ? {} : { seccomp: "SECCOMP" }),
    },
  };
  writeFileSync(
    join(bundle, "config.json"),
    JSON.stringify(config).replace('"SECCOMP"', () => seccomp ?? ""),
  );
  return bundle;
}

/**
 * Runs the bundle's container to its end. crun refuses a cgroup2 beside controllers of version 1, so a mount namespace
 * of the runtime does not have it.
 */
export function runBundle(runtime: Runtime, bundle: string) {
  const unmount = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"';
  const run = [runtime, "--root", join(bundle, "state"), "run", "--bundle", bundle, basename(bundle)];
  const options = { encoding: "utf8", timeout: patience.command } as const;
  const { status, stdout, stderr } = spawnSync("unshare", ["--mount", "sh", "-c", unmount, "sh", ...run], options);
  return { status, stdout, stderr };
}

export function removeBundle(bundle: string): void {
  rmSync(bundle, { recursive: true, force: true });
}
