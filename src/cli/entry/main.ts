/** The entry of dist/cli.cjs: all verbs. */
import { allWritten, processContext } from "../context.ts";
import { startsCommand, startThroughFront } from "../front.ts";
import { runCommand } from "./command.ts";

export { processContext, runCommand };

export async function main(argv: readonly string[]): Promise<void> {
  startThroughFront(argv);
  if (startsCommand(argv)) {
    // After a confined command, load no file that it may have changed, and exit at once.
    const { leave, runContext } = await import("../run-context.ts");
    const status = await runCommand(argv, runContext());
    leave(status);
  }
  const status = await runCommand(argv, processContext());
  // Exit explicitly when all output was read: otherwise Node waits for code that V8 is optimising in other threads (25
  // ms after the check of a long policy).
  await allWritten();
  process.exit(status);
}
