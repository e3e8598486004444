/** The control socket: the agent's status, and the status of one tree for `portcullis top`. The first line asks. */
import { readdirSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { connectTrusted, SocketError } from "../observe/status/socket.ts";
import type { Policies } from "./policies.ts";
import type { TreeStatus, Trees } from "./trees.ts";

export interface AgentStatus {
  readonly v: 1;
  readonly kind: "agent";
  /** Seconds since the epoch. */
  readonly time: number;
  readonly started: number;
  readonly version: string;
  readonly pid: number;
  /** Bytes of resident memory. */
  readonly memory: number;
  readonly policies: Policies["list"];
  readonly trees: readonly TreeStatus[];
  /** Requests that were refused, and the last reasons. */
  readonly refused: number;
  readonly refusals: readonly string[];
}

const mostQuestion = 64;
/** Milliseconds until a client must have asked. */
const patience = 5000;
const mostAnswer = 1 << 24;

export interface ControlOptions {
  readonly trees: Trees;
  readonly status: () => AgentStatus;
}

/** Answers one client, whose connection is paused. */
export function answerControl(socket: Socket, { trees, status }: ControlOptions): void {
  let question = "";
  const timer = setTimeout(() => socket.destroy(), patience).unref();
  const ask = (part: string): void => {
    question += part;
    const end = question.indexOf("\n");
    if (end < 0 && question.length <= mostQuestion) return;
    clearTimeout(timer);
    socket.off("data", ask);
    const [, number] = /^tree (\d{1,10})\n/.exec(question) ?? [];
    const tree = number === undefined ? undefined : trees.find(Number(number));
    if (tree !== undefined && !tree.readers.areTooMany) tree.readers.serve(socket);
    else if (question.startsWith("status\n")) socket.end(`${JSON.stringify(status())}\n`);
    else socket.destroy();
  };
  socket.setEncoding("utf8").on("data", ask).resume();
}

// ── The client ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** @throws SocketError */
export async function askAgent(path: string): Promise<AgentStatus> {
  const socket = await connectTrusted(path, "`portcullis agent` serves it");
  socket.setEncoding("utf8").write("status\n");
  let text = "";
  try {
    for await (const part of socket as AsyncIterable<string>) {
      text += part;
      if (text.length > mostAnswer) throw new SocketError(`${path} writes lines that are too long`);
    }
  } catch (error) {
    if (error instanceof SocketError) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    // The agent has closed the connection, before or after the question.
    if (code !== "EPIPE" && code !== "ECONNRESET") throw new SocketError(`${path} cannot be read (${code})`);
  }
  if (text === "")
    throw new SocketError(`${path} refuses this process: it is another user's, or in a tree of the agent`);
  try {
    const status = JSON.parse(text) as AgentStatus;
    if (status.v === 1 && status.kind === "agent") return status;
  } catch {
    // The answer is not JSON.
  }
  throw new SocketError(`${path} writes an answer that this version of portcullis cannot read`);
}

/** The control sockets in these folders. */
export function controlSocketsIn(folders: readonly string[]): readonly string[] {
  return folders.filter(hasControl).map((folder) => join(folder, "control.sock"));
}

function hasControl(folder: string): boolean {
  try {
    return readdirSync(folder).includes("control.sock");
  } catch {
    return false;
  }
}
