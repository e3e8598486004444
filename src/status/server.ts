/**
 * Serves the status of a running tree on a Unix socket, from the thread that waits for the command. The supervisor's thread
 * only counts, and makes a snapshot each second while clients are connected. The server drops the data that clients send.
 */
import { unlinkSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { join } from "node:path";
import { makeStatusFolder } from "./location.ts";
import { isOurs, peerOf } from "./peer.ts";
import type { StatusReporter } from "./reporter.ts";
import { descriptorOf, listenAt, mostReaders } from "./socket.ts";

const interval = 1000;
/** Milliseconds between the request for a snapshot and the line, so that a busy tree's line has a new snapshot. */
const snapshotTime = 30;
/** A reader with more unread bytes gets no further lines until it has read some. */
const mostUnread = 1 << 18;

/** Writes the lines of one tree to its readers. */
export class StatusReaders {
  readonly #reporter: StatusReporter;
  readonly #readers = new Set<Socket>();
  #timer: NodeJS.Timeout | undefined;

  constructor(reporter: StatusReporter) {
    this.#reporter = reporter;
  }

  get areTooMany(): boolean {
    return this.#readers.size >= mostReaders;
  }

  serve(socket: Socket): void {
    socket.unref();
    this.#readers.add(socket);
    socket.on("close", () => {
      this.#readers.delete(socket);
      if (this.#readers.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    });
    // Reads, and drops, the client's data, because Node reports the end of a socket only if it is read.
    socket.resume();
    this.#reporter.ask();
    setTimeout(() => {
      if (!socket.destroyed) socket.write(this.#line());
    }, snapshotTime).unref();
    this.#timer ??= setInterval(() => this.#tell(), interval).unref();
  }

  /** Sends a last line, and disconnects the readers. */
  close(): void {
    clearInterval(this.#timer);
    for (const socket of this.#readers) socket.end(this.#line());
    setTimeout(() => {
      for (const socket of this.#readers) socket.destroy();
    }, 100).unref();
  }

  #tell(): void {
    this.#reporter.ask();
    setTimeout(() => {
      const line = this.#line();
      for (const socket of this.#readers) if (socket.writableLength < mostUnread) socket.write(line);
    }, snapshotTime).unref();
  }

  #line(): string {
    return `${JSON.stringify(this.#reporter.status())}\n`;
  }
}

export class StatusServer {
  readonly path: string;
  readonly #readers: StatusReaders;
  readonly #server: Server;

  private constructor(path: string, reporter: StatusReporter, server: Server) {
    this.path = path;
    this.#readers = new StatusReaders(reporter);
    this.#server = server;
    server.on("connection", (socket) => this.#welcome(socket));
    server.unref();
  }

  /**
   * @param place "auto", or a path that does not exist yet
   * @throws SocketError
   */
  static async open(place: "auto" | { readonly socket: string }, reporter: StatusReporter): Promise<StatusServer> {
    const path = place === "auto" ? join(makeStatusFolder(), `${process.pid}.sock`) : place.socket;
    const server = await listenAt(path, { replaces: place === "auto" });
    return new StatusServer(path, reporter, server);
  }

  /** Sends a last line, disconnects the readers, and removes the socket. */
  close(): void {
    this.#readers.close();
    this.#server.close();
    try {
      unlinkSync(this.path);
    } catch {
      // The server has removed it, or the command.
    }
  }

  #welcome(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    const peer = peerOf(descriptorOf(socket));
    const uid = process.geteuid?.();
    const isWelcome = peer !== undefined && (peer.uid === uid || peer.uid === 0) && !isOurs(peer.pid);
    if (!isWelcome || this.#readers.areTooMany) socket.destroy();
    else this.#readers.serve(socket);
  }
}
