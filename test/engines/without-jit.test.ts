/**
 * A patched kernel with an eBPF interpreter only: policies cannot have state in it. The engine reports this, and `auto`
 * uses the other engine.
 */
import { describe, expect, it } from "vitest";
import { type Command, doctorUntil, eachInMachine, full, type Kernel, unable } from "../kernel/vm.ts";
import { patience } from "../support/patience.ts";

const setting = "/proc/sys/net/core/bpf_jit_enable";
const sh = (script: string): Command => ({ words: ["sh", "-c", script] });
const turnOff = sh(`cat ${setting} >/tmp/jit; echo 0 >${setting}`);
const turnOn = sh(`cat /tmp/jit >${setting}`);

const kernels: readonly { readonly name: string; readonly kernel: Kernel; readonly isBuilt: boolean }[] = [
  { name: "turned off", kernel: "patched", isBuilt: true },
  ...(full ? [{ name: "not built", kernel: "nojit", isBuilt: false } as const] : []),
];

describe("the JIT compiler of eBPF", { timeout: patience.machineTest }, () => {
  for (const { name, kernel, isBuilt } of kernels) {
    it(`is ${name}: seccomp-ebpf fails with the reason, auto selects notify`, async (context) => {
      const why = unable(kernel);
      if (why !== undefined) context.skip(why);
      const run = (uid: number, ...words: string[]): Command => ({
        uid,
        words: ["bin/portcullis", ...words],
        env: { HOME: "/tmp" },
      });
      const children = ["-p", "policies/children.ts", "--", "/bin/sh", "-c", "/bin/true; echo counted"];
      const commands = [
        run(0, "run", "--engine", "seccomp-ebpf", ...children),
        run(65_534, "run", "--engine", "seccomp-ebpf", ...children),
        { words: doctorUntil("engine notify: "), env: { HOME: "/tmp" } },
        run(0, "run", ...children),
        run(65_534, "run", ...children),
      ];
      const list = isBuilt ? [turnOff, ...commands, turnOn] : commands;
      const outcomes = await eachInMachine({ kernel }, list);
      const [named, unprivileged, doctor, ...either] = outcomes.filter((_, index) => commands.includes(list[index]!));
      for (const refused of [named, unprivileged]) {
        expect(refused).toMatchObject({ status: 125, stdout: "" });
        expect(refused?.stderr).toContain("this kernel's eBPF programs cannot call its functions");
      }
      expect(doctor?.stdout).toContain("engine seccomp-ebpf: this kernel's eBPF programs cannot call its functions");
      expect(doctor?.stdout).toMatch(/eBPF here lacks seccomp's kernel functions/);
      for (const outcome of either) expect(outcome).toMatchObject({ status: 0, stdout: "counted\n" });
    });
  }
});
