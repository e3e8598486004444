/** Runs the kernel's own tests of seccomp, whose results the series must not change. */
import { runs } from "../support/parts.ts";
import { built, casesInMachine, type Kernel, unable } from "./vm.ts";

const program = (kernel: Kernel, name: string): string =>
  unable(kernel) === undefined ? `${built(kernel)}/selftests/${name}` : name;

// The results on the stock kernel are a control, which only another machine changes.
for (const kernel of runs("machine") ? (["stock", "patched"] as const) : (["patched"] as const)) {
  await casesInMachine({ kernel }, [
    {
      title: `seccomp_bpf on the ${kernel} kernel`,
      command: { words: ["kernel/machine/seccomp_bpf.sh", program(kernel, "seccomp_bpf")] },
      count: 99,
    },
  ]);
  // It compares times, which are exact if the clock counts instructions.
  await casesInMachine({ kernel, icount: true }, [
    {
      title: `seccomp_benchmark on the ${kernel} kernel`,
      command: { words: [program(kernel, "seccomp_benchmark"), "20000"] },
      count: 7,
    },
  ]);
}
