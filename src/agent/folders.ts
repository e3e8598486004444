/** The folders of the agents' sockets. */
import { dirname, join } from "node:path";
import { agentSocket } from "../export/metadata.ts";
import { statusFolder } from "../observe/status/location.ts";

/** Root's agent has the socket that profiles name by default, a user's is in the user's own folder. */
export function defaultSocket(): string {
  return process.geteuid?.() === 0 ? agentSocket : join(statusFolder(), "agent.sock");
}

/** The sockets beside that for container runtimes: for `agent status` and `top`, and for `run` (native/launcher/agent.c). */
export const controlSocket = (socket: string): string => join(dirname(socket), "control.sock");
export const runSocket = (socket: string): string => join(dirname(socket), "run.sock");

/** The folders in which an agent for this user can be. */
export function agentFolders(): readonly string[] {
  return [...new Set([defaultSocket(), agentSocket].map((socket) => dirname(socket)))];
}
