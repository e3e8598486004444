/** Measures calls that enter rooms. */
import { measureNotify } from "./rooms/notify.ts";

await measureNotify();
