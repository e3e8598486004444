/** The context of `run`: as in `context.ts`, without changing the streams that the command gets. */
import { isatty } from "node:tty";
import { diagnostic } from "../diagnostics/catalogue.ts";
import { callersDescriptor } from "../engines/launcher/launcher.ts";
import { exitAtOnce } from "../machine/process.ts";
import { type Context, contextOf, reportInternalErrors, unwrittenOutput, writeNow } from "./context.ts";
import { Failure } from "./verb.ts";

/** Ends a process that may have a supervising thread, for whose system calls `process.exit` waits (engines/engine/thread.ts). */
export function leave(status: number): never {
  try {
    return exitAtOnce(status);
  } catch {
    return process.exit(status); // without the native part
  }
}

/** Does not change the standard streams, because the command of `run` shares them. */
export function runContext(): Context {
  reportInternalErrors(leave);
  let out: number | undefined;
  const descriptor = () => {
    out ??= callersDescriptor(1);
    return out;
  };
  return contextOf(
    (text) => {
      const error = writeNow(descriptor(), text);
      if (error === undefined || error.code === "EPIPE") return;
      // It was closed, and the descriptor is a negative errno.
      if (descriptor() < 0) error.code = "EBADF";
      throw new Failure([diagnostic("P0901", unwrittenOutput(error))]);
    },
    (text) => {
      writeNow(2, text);
    },
    { out: () => isatty(descriptor()), err: () => isatty(2) },
  );
}
