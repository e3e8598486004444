/** The entry of dist/cli.js, which bin/portcullis starts. */
import { runCommand } from "./command.ts";
import { processContext } from "./context.ts";

process.exitCode = await runCommand(process.argv.slice(2), processContext());
