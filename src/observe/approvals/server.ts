/** Serves the open questions of a running tree on a Unix socket, and takes the answers of processes outside of the tree. */
import type { Socket } from "node:net";
import { isConfinedMore, type Peer, peerStillRuns } from "../status/peer.ts";
import { descriptorOf, mostReaders } from "../status/socket.ts";
import { type SocketPlace, TreeSocket } from "../status/tree-socket.ts";
import type { Approvals } from "./approvals.ts";
import { readAnswer, type ServerLine } from "./protocol.ts";

/** Bytes of a line that a client writes. */
const mostLine = 4096;
/** A client with more unread bytes is disconnected. */
const mostUnread = 1 << 20;

export class ApprovalServer {
  readonly #approvals: Approvals;
  readonly #clients = new Set<Socket>();
  #socket!: TreeSocket;

  private constructor(approvals: Approvals) {
    this.#approvals = approvals;
  }

  /** @throws SocketError or StatusFolderError */
  static async open(place: SocketPlace, approvals: Approvals): Promise<ApprovalServer> {
    const server = new ApprovalServer(approvals);
    server.#socket = await TreeSocket.open(place, `${process.pid}.approvals`, (client, peer) =>
      server.#welcome(client, peer),
    );
    return server;
  }

  tell(line: ServerLine): void {
    for (const client of this.#clients) write(client, line);
  }

  close(): void {
    for (const client of this.#clients) client.end();
    this.#socket.close();
    setTimeout(() => {
      for (const client of this.#clients) client.destroy();
    }, 100).unref();
  }

  /** The process must be under no more filters, and still run: another process can have its id otherwise. */
  #welcome(socket: Socket, { pid }: Peer): void {
    if (isConfinedMore(pid) || !peerStillRuns(descriptorOf(socket)) || this.#clients.size >= mostReaders) {
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

function write(socket: Socket, line: ServerLine): void {
  if (socket.writableLength > mostUnread) socket.destroy();
  else socket.write(`${JSON.stringify(line)}\n`);
}
