/** V8's flags while a policy is compiled: most of the compiler's code runs once. */
import { setFlagsFromString } from "node:v8";

/**
 * What V8 optimises meanwhile, and more threads to collect garbage, cost more than they give (a fifth of a check's time in
 * all threads). What runs for long is optimised all the same.
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
