/** The entry of dist/cli.cjs: all verbs. */
import { runCommand } from "./command.ts";
import { allWritten, processContext } from "./context.ts";

export { processContext, runCommand };

export async function main(argv: readonly string[]): Promise<void> {
  const status = await runCommand(argv, processContext());
  // A command was confined: nothing that it may have changed is to be loaded, and nothing keeps us. Other verbs end when
  // what they print was read; not by themselves, for Node waits for all code that V8 is optimising in other threads
  // (25 ms after the check of a long policy).
  if (argv[0] !== "run") await allWritten();
  process.exit(status);
}
