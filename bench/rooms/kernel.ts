/** Measures calls that enter rooms in the kernel, in instructions: kernel/README.md has the figures of one filter with and without. */
import { instructions } from "../support/machine.ts";
import { print } from "../support/pairs.ts";

export function measureKernel(): void {
  const getppid = ["build/bench/instructions", "getppid"];
  const under = (policy: string): string[] => [
    "bin/portcullis",
    "run",
    "-q",
    "--engine",
    "seccomp-ebpf",
    "-p",
    `bench/policies/${policy}.ts`,
    "--",
    ...getppid,
  ];
  const { none, counting, rooms } = instructions("patched", {
    none: getppid,
    counting: under("kernel/counting"),
    rooms: under("rooms"),
  });
  print({
    bench: "rooms",
    case: "seccomp-ebpf: a call that enters a room and leaves it, against one that is counted",
    ours: rooms - none,
    reference: counting - none,
    ratio: (rooms - none) / (counting - none),
    unit: "instructions",
    informative: true,
  });
}
