/** V8's flags while a policy is compiled: most of the compiler's code runs once. */
import { setFlagsFromString } from "node:v8";

/**
 * V8's optimising compiler and its parallel garbage collector cost more than they save here (a fifth of a check's time in
 * all threads). Code that runs for long is still optimised.
 */
const forCompiler = "--interrupt-budget=1000000 --no-parallel-scavenge";
const defaults = "--interrupt-budget=67584 --parallel-scavenge";

/**
 * Compiles under these flags. V8 rejects cached code, Node's own too, that was made under other flags. So they are set as
 * late as possible, and set back for what is loaded after it.
 */
export async function withCompilerFlags<T>(compile: () => Promise<T>): Promise<T> {
  // V8 prints an error for a flag that it does not know, as those of Node 22 and 24 do for the first.
  if (!process.version.startsWith("v20.")) return await compile();
  setFlagsFromString(forCompiler);
  try {
    return await compile();
  } finally {
    setFlagsFromString(defaults);
  }
}
