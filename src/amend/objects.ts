/** Entries of lists that permit what Landlock has denied. */
import { jsonText } from "../diagnostics/width.ts";
import type { ObjectJson } from "../events/event.ts";

/** The entry in the form of the list; undefined if no entry names the object. */
export function entryOf({ blockers, path, port }: ObjectJson): string | undefined {
  const isPort = blockers.some((right) => /^net\.(?:bind|connect)/.test(right));
  if (isPort) return typeof port === "number" && Number.isInteger(port) && port > 0 ? `${port}n` : undefined;
  const isPath = blockers.some((right) => /^fs\.(?!change_topology)/.test(right));
  return isPath && typeof path === "string" && path.startsWith("/") ? jsonText(path) : undefined;
}
