/** The kernel's own tests of seccomp: what the series must leave as it was. */
import { describe, expect, it } from "vitest";
import { built, casesInMachine, inMachine, type Kernel, unable } from "./vm.ts";

const program = (kernel: Kernel, name: string): string =>
  unable(kernel) === undefined ? `${built(kernel)}/selftests/${name}` : name;

for (const kernel of ["stock", "patched"] as const) {
  await casesInMachine(`seccomp_bpf on the ${kernel} kernel`, { kernel }, [program(kernel, "seccomp_bpf")], 99);

  describe(`seccomp_benchmark on the ${kernel} kernel`, { timeout: 300_000 }, () => {
    it("runs to its end", async (context) => {
      const reason = unable(kernel);
      if (reason !== undefined) context.skip(reason);
      const ran = await inMachine({ kernel, smp: 1 }, [program(kernel, "seccomp_benchmark"), "20000"]);
      expect(ran.stdout).toMatch(/^getpid native: \d+ ns$/m);
      expect(ran.stdout).toMatch(/^# Totals: pass:\d+ /m);
    });
  });
}
