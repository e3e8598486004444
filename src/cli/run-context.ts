/** The context of `run`: as in `context.ts`, without changing the streams that the command gets. */
import { isatty } from "node:tty";
import { callersDescriptor } from "../engines/launcher.ts";
import { type Context, contextOf, quietWhenClosed, writeNow } from "./context.ts";

/** Does not change the standard streams, because the command of `run` shares them. */
export function runContext(): Context {
  quietWhenClosed();
  let out: number | undefined;
  const descriptor = () => {
    out ??= callersDescriptor(1);
    return out;
  };
  return contextOf(
    (text) => writeNow(descriptor(), text),
    (text) => writeNow(2, text),
    { out: () => isatty(descriptor()), err: () => isatty(2) },
  );
}
