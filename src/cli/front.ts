/** `node bin/portcullis.cjs run …` instead of bin/portcullis: the front has to be the first process. */
import { becomeFront, frontSocket } from "../linux/front.ts";
import { NativeUnavailableError } from "../linux/native.ts";
import { internalError, writeNow } from "./context.ts";
import { failed } from "./verb.ts";

/** The verbs that start a command. */
export function startsCommand([verb]: readonly string[]): boolean {
  return verb === "run" || verb === "record" || verb === "script-shell";
}

/** Returns if this process was started by the front, or needs none. The help works without the native part. */
export function startThroughFront(argv: readonly string[]): void {
  if (!startsCommand(argv) || frontSocket() !== undefined) return;
  try {
    becomeFront();
  } catch (error) {
    if (error instanceof NativeUnavailableError) return;
    writeNow(2, internalError(error, process.env["PORTCULLIS_DEBUG"] !== undefined));
    process.exit(failed);
  }
}
