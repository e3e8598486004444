/**
 * Serves the status of a running tree on a Unix socket, from the thread that waits for the command. The supervisor's thread
 * only counts, and makes a snapshot each second while clients are connected. The server drops the data that clients send.
 */
import type { Socket } from "node:net";
import type { StatusReporter } from "./reporter.ts";
import { mostReaders } from "./socket.ts";
import { type SocketPlace, TreeSocket } from "./tree-socket.ts";

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
  readonly #readers: StatusReaders;
  readonly #socket: TreeSocket;

  private constructor(readers: StatusReaders, socket: TreeSocket) {
    this.#readers = readers;
    this.#socket = socket;
  }

  /** @throws SocketError or StatusFolderError */
  static async open(place: SocketPlace, reporter: StatusReporter): Promise<StatusServer> {
    const readers = new StatusReaders(reporter);
    const socket = await TreeSocket.open(place, `${process.pid}.sock`, (reader) => {
      if (readers.areTooMany) reader.destroy();
      else readers.serve(reader);
    });
    return new StatusServer(readers, socket);
  }

  /** Sends a last line, disconnects the readers, and removes the socket. */
  close(): void {
    this.#readers.close();
    this.#socket.close();
  }
}
