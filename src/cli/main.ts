/** The entry of dist/cli.cjs: all verbs. */
import { runCommand } from "./command.ts";
import { processContext } from "./context.ts";

export { processContext, runCommand };

export async function main(argv: readonly string[]): Promise<void> {
  const status = await runCommand(argv, processContext());
  // A command was confined: nothing that it may have changed is to be loaded, and nothing keeps us. Other verbs end by
  // themselves, when what they print was read.
  if (argv[0] === "run") process.exit(status);
  process.exitCode = status;
}
