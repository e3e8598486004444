/** A socket of a running tree, for processes of this user, or root's, that are not in the tree. */
import { unlinkSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { join } from "node:path";
import { makeStatusFolder } from "./location.ts";
import { isOurs, type Peer, peerOf } from "./peer.ts";
import { descriptorOf, listenAt } from "./socket.ts";

/** "auto" is a socket of a generated name in the user's own folder. */
export type SocketPlace = "auto" | { readonly socket: string };

export class TreeSocket {
  readonly #path: string;
  readonly #server: Server;

  private constructor(path: string, server: Server) {
    this.#path = path;
    this.#server = server;
  }

  /**
   * @param place "auto", or a path that does not exist yet
   * @param name of the file, for "auto"
   * @param welcome destroys a connection that it does not serve
   * @throws SocketError or StatusFolderError
   */
  static async open(
    place: SocketPlace,
    name: string,
    welcome: (socket: Socket, peer: Peer) => void,
  ): Promise<TreeSocket> {
    const path = place === "auto" ? join(makeStatusFolder(), name) : place.socket;
    const server = await listenAt(path, { replaces: place === "auto" });
    server.on("connection", (socket) => {
      socket.on("error", () => socket.destroy());
      const peer = peerOf(descriptorOf(socket));
      const isTrusted = peer !== undefined && (peer.uid === process.geteuid?.() || peer.uid === 0) && !isOurs(peer.pid);
      if (isTrusted) welcome(socket, peer);
      else socket.destroy();
    });
    server.unref();
    return new TreeSocket(path, server);
  }

  /** Takes no further connections, and removes the socket. */
  close(): void {
    this.#server.close();
    try {
      unlinkSync(this.#path);
    } catch {
      // The server has removed it, or the command.
    }
  }
}
