/** Measures calls that enter rooms. */
import { measureKernel } from "./rooms/kernel.ts";
import { measureNotify } from "./rooms/notify.ts";

measureKernel();
await measureNotify();
