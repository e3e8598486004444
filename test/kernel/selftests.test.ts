/** Runs the kernel's own tests of seccomp, whose results the series must not change. */
import { built, casesInMachine, type Kernel, unable } from "./vm.ts";

// Tests of TRACE_syscall can hang until their limit: the signal that ends their tracer is lost if it arrives just before
// wait() (teardown_trace_fixture() of Linux 6.12). So the program runs again if it fails.
const again = ["sh", "-c", 'out=$("$0") || out=$("$0"); status=$?; printf "%s\\n" "$out"; exit $status'];

const program = (kernel: Kernel, name: string): string =>
  unable(kernel) === undefined ? `${built(kernel)}/selftests/${name}` : name;

for (const kernel of ["stock", "patched"] as const) {
  await casesInMachine(
    `seccomp_bpf on the ${kernel} kernel`,
    { kernel },
    [...again, program(kernel, "seccomp_bpf")],
    99,
  );
  // It compares times, which are exact if the clock counts instructions.
  const counting = { kernel, icount: true };
  await casesInMachine(
    `seccomp_benchmark on the ${kernel} kernel`,
    counting,
    [program(kernel, "seccomp_benchmark"), "20000"],
    7,
  );
}
