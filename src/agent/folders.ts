/** The folders of the agents' sockets. */
import { join } from "node:path";
import { statusFolder } from "../status/location.ts";

const ofRoot = "/run/portcullis";

/** The folder of an agent that this user starts. */
export function ownFolder(): string {
  return process.geteuid?.() === 0 ? ofRoot : statusFolder();
}

/** The folders in which an agent for this user can be. */
export function agentFolders(): readonly string[] {
  return [...new Set([ownFolder(), ofRoot])];
}

export function defaultSocket(): string {
  return join(ownFolder(), "agent.sock");
}
