/** Pinned calls on `notify` that need a machine of their own, because their attacks stop other programs. */
import { resolve } from "node:path";
import { compiled } from "../support/run.ts";
import { casesInMachine, unable } from "./vm.ts";

const guest = "test/kernel/guest/pins";
const starved = unable("stock") === undefined ? compiled(resolve(`${guest}/starved.c`), ["-static", "-pthread"]) : "";

await casesInMachine({ kernel: "stock", smp: 2, sysctls: { "kernel.sched_rt_runtime_us": -1 } }, [
  {
    title: "a caller that gets no processor time",
    command: {
      words: [..."bin/portcullis run -q --engine notify -p".split(" "), `${guest}/starved.ts`, "--", starved],
    },
    count: 7,
  },
]);
