/**
 * Builds the C parts for arm64 with warnings as errors, and starts the launcher. User-mode emulation has no seccomp, so
 * confinement cannot be tested without an arm64 kernel.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const compiler = "aarch64-linux-gnu-gcc";
const emulator = "qemu-aarch64";
const out = mkdtempSync(join(tmpdir(), "portcullis-arm64-"));
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** EM_AARCH64 of include/uapi/linux/elf-em.h, at e_machine of the ELF header. */
const machineOf = (file: string) => readFileSync(file).readUInt16LE(18);
const aarch64 = 183;

describe("arm64", () => {
  it("compiles the launcher and the addon", (context) => {
    if (spawnSync(compiler, ["--version"]).error !== undefined) context.skip(`${compiler} is not installed`);
    const targets = [`${out}/launcher`, `${out}/portcullis.node`];
    execFileSync("make", ["-s", "-C", "native", `CC=${compiler}`, `DIST=${out}`, "package"], { stdio: "pipe" });
    expect(targets.map(machineOf)).toEqual([aarch64, aarch64]);
  });

  it("starts the launcher, which exits without orders", (context) => {
    if (spawnSync(emulator, ["--version"]).error !== undefined) context.skip(`${emulator} is not installed`);
    const ran = spawnSync(emulator, [`${out}/launcher`], { encoding: "utf8" });
    expect(ran.status).toBe(125);
  });
});
