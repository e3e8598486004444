/** Serves the open questions of a running tree on a Unix socket, and takes the answers of processes outside of the tree. */
import { unlinkSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { join } from "node:path";
import { makeStatusFolder } from "../status/location.ts";
import { isConfinedMore, isOurs, peerOf, peerStillRuns } from "../status/peer.ts";
import { descriptorOf, listenAt, mostReaders } from "../status/socket.ts";
import type { Approvals } from "./approvals.ts";
import { readAnswer, type ServerLine } from "./protocol.ts";

/** Bytes of a line that a client writes. */
const mostLine = 4096;
/** A client with more unread bytes is disconnected. */
const mostUnread = 1 << 20;

export class ApprovalServer {
  readonly path: string;
  readonly #approvals: Approvals;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  private constructor(path: string, approvals: Approvals, server: Server) {
    this.path = path;
    this.#approvals = approvals;
    this.#server = server;
    server.on("connection", (socket) => this.#welcome(socket));
    server.unref();
  }

  /**
   * @param place "auto", or a path that does not exist yet
   * @throws SocketError or StatusFolderError
   */
  static async open(place: "auto" | { readonly socket: string }, approvals: Approvals): Promise<ApprovalServer> {
    const path = place === "auto" ? join(makeStatusFolder(), approvalName(process.pid)) : place.socket;
    return new ApprovalServer(path, approvals, await listenAt(path, { replaces: place === "auto" }));
  }

  tell(line: ServerLine): void {
    for (const client of this.#clients) write(client, line);
  }

  close(): void {
    for (const client of this.#clients) client.end();
    this.#server.close();
    setTimeout(() => {
      for (const client of this.#clients) client.destroy();
    }, 100).unref();
    try {
      unlinkSync(this.path);
    } catch {
      // The server has removed it, or the command.
    }
  }

  #welcome(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (!mayAnswer(descriptorOf(socket)) || this.#clients.size >= mostReaders) {
      socket.destroy();
      return;
    }
    socket.unref();
    this.#clients.add(socket);
    socket.on("close", () => this.#clients.delete(socket));
    const { open, policy } = this.#approvals;
    write(socket, { v: 1, kind: "run", pid: process.pid, policy, open: open.length });
    for (const line of open) write(socket, line);
    let rest = "";
    socket.setEncoding("utf8").on("data", (part: string) => {
      rest += part;
      for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
        this.#take(rest.slice(0, end), socket);
        rest = rest.slice(end + 1);
      }
      if (rest.length > mostLine) socket.destroy();
    });
    socket.resume();
  }

  #take(text: string, socket: Socket): void {
    const answer = readAnswer(text);
    const fault = typeof answer === "string" ? answer : this.#approvals.answer(answer);
    if (fault !== undefined) write(socket, { v: 1, kind: "error", text: fault });
  }
}

function approvalName(pid: number): string {
  return `${pid}.approvals`;
}

/**
 * Whether the process on the other side may answer: of this user or root, and neither in the tree nor under more filters. It
 * must still run after it was examined, because another process can have its id otherwise.
 */
function mayAnswer(descriptor: number): boolean {
  const peer = peerOf(descriptor);
  if (peer === undefined || (peer.uid !== process.geteuid?.() && peer.uid !== 0)) return false;
  return !isOurs(peer.pid) && !isConfinedMore(peer.pid) && peerStillRuns(descriptor);
}

function write(socket: Socket, line: ServerLine): void {
  if (socket.writableLength > mostUnread) socket.destroy();
  else socket.write(`${JSON.stringify(line)}\n`);
}
