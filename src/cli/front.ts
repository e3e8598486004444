/** `node bin/portcullis.cjs run …` instead of bin/portcullis: the front has to be the first process. */
import { becomeFront, frontSocket } from "../machine/front.ts";
import { NativeUnavailableError } from "../machine/native.ts";
import { internalError, writeNow } from "./context.ts";
import { failed } from "./verb.ts";

/** The verbs that start a command. */
export function startsCommand([verb, ...words]: readonly string[]): boolean {
  return verb === "run" || (verb === "record" && !attaches(words)) || verb === "script-shell";
}

/** The options of record that have a value, without those of `attaches`. bin/portcullis has them, too. */
const valuedOptions: readonly string[] = ["-o", "--output", "--recorder", "--for"];

/** Whether record records processes that run already. Then this process, and not the front, gets the signals. */
function attaches(words: readonly string[]): boolean {
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (/^--(?:pid|cgroup|container)(?:=|$)/.test(word)) return true;
    if (valuedOptions.includes(word)) at++;
    else if (word === "--" || !word.startsWith("-")) return false;
  }
  return false;
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
