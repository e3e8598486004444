/**
 * A patched kernel with an eBPF interpreter only: policies cannot have state in it. The engine reports this, and `auto`
 * uses the other engine.
 */
import { describe, expect, it } from "vitest";
import { eachInMachine, full, type MachineOptions, unable } from "../kernel/vm.ts";
import { patience } from "../support/patience.ts";

const kernels: readonly (MachineOptions & { readonly name: string })[] = [
  { name: "turned off", kernel: "patched", sysctls: { "net.core.bpf_jit_enable": 0 } },
  ...(full ? [{ name: "not built", kernel: "nojit" } as const] : []),
];

describe("the JIT compiler of eBPF", { timeout: patience.machineTest }, () => {
  for (const { name, ...options } of kernels) {
    it(`is ${name}: seccomp-ebpf fails with the reason, auto selects notify`, async (context) => {
      const why = unable(options.kernel);
      if (why !== undefined) context.skip(why);
      const run = (uid: number, ...words: string[]) => ({
        uid,
        words: ["bin/portcullis", ...words],
        env: { HOME: "/tmp" },
      });
      const children = ["-p", "policies/children.ts", "--", "/bin/sh", "-c", "/bin/true; echo counted"];
      const [named, unprivileged, doctor, ...either] = await eachInMachine(options, [
        run(0, "run", "--engine", "seccomp-ebpf", ...children),
        run(65_534, "run", "--engine", "seccomp-ebpf", ...children),
        run(0, "doctor"),
        run(0, "run", ...children),
        run(65_534, "run", ...children),
      ]);
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
