/**
 * Rooms of eBPF filters beyond the kernel's selftests: a system whose first process attaches the filter, calls that are
 * frozen or wait for a FUSE server, and threads with a lock of their own.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { compiled } from "../support/run.ts";
import { casesInMachine, full, unable } from "./vm.ts";

const guest = "test/kernel/guest/rooms";
const runs = unable("patched") === undefined;

function bundled(policy: string): string {
  const bundle = resolve(`build/test/${policy}.pcl`);
  mkdirSync(dirname(bundle), { recursive: true });
  if (runs) execFileSync("bin/portcullis", ["compile", "-p", `${guest}/${policy}.ts`, "-o", bundle], { stdio: "pipe" });
  return bundle;
}

const confined = (policy: string, ...command: readonly string[]) => [
  "dist/native/x64/launcher",
  "run",
  bundled(policy),
  "--",
  ...command,
];

const program = (source: string, ...options: readonly string[]): string =>
  runs ? compiled(resolve(`${guest}/${source}`), options) : "";

/** In an empty folder, which is the command's last argument. */
const inFolder = (...command: readonly string[]) => ["sh", "-c", 'exec "$@" "$(mktemp -d)"', "sh", ...command];

await casesInMachine({ kernel: "patched" }, [
  {
    title: "a system under a policy with rooms",
    // The command is pid 1 of a namespace, because the machine's own init serves its connection to the host.
    command: {
      words: inFolder(
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        ...confined("everything", "sh", `${guest}/system.sh`),
      ),
    },
    count: 4,
  },
  {
    title: "rooms, the freezer and FUSE",
    command: { words: inFolder(...confined("stopped", program("stopped.c", "-static"))) },
    count: 26,
  },
  {
    title: "rooms and a mutex",
    command: { words: confined("locks", program("locks.c", "-static", "-pthread"), full ? "20" : "4") },
    count: 4,
  },
]);
