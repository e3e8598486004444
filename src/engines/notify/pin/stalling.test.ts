import { expect, test } from "vitest";
import { mayStallBy, slowSystems } from "./stalling.ts";

test("file systems that are not known to be local are slow", () => {
  const line = (type: string) => `36 35 98:0 /a /b rw,noatime master:1 - ${type} /dev/root rw,errors=continue`;
  expect(slowSystems([line("ext4"), line("tmpfs"), line("overlay")].join("\n"))).toEqual([]);
  expect(slowSystems(`${[line("ext4"), line("fuse.sshfs"), line("nfs4"), line("nfs4")].join("\n")}\n`)).toEqual([
    "fuse.sshfs",
    "nfs4",
  ]);
});

test("calls that give no memory whose reads may never end", () => {
  const by = (number: number, ...registers: readonly bigint[]) =>
    mayStallBy("x86_64", number, (index) => registers[index] ?? 0n);
  const [userfaultfd, mount, setns, fanotify] = [323, 165, 308, 300];
  expect([by(userfaultfd), by(userfaultfd, 1n), by(userfaultfd, 0x8_0800n)]).toEqual([true, false, true]);
  expect([
    by(mount),
    by(mount, 0n, 0n, 0n, 4096n),
    by(mount, 0n, 0n, 0n, 0x4_4000n),
    by(mount, 0n, 0n, 0n, 6n),
  ]).toEqual([...[true, false, false], true]);
  expect(by(setns)).toBe(true);
  expect([by(fanotify), by(fanotify, 4n), by(fanotify, 0x208n)]).toEqual([false, true, true]);
});
