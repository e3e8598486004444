/** The Unix sockets on which a run serves its status and its questions, and the checks of both sides. */
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { isConfinedMore, peerHasEnded, peerOf } from "./peer.ts";

export const mostReaders = 8;
/** The size of sun_path without its NUL (include/uapi/linux/un.h). */
const mostPath = 107;

/** The socket cannot be made or used. */
export class SocketError extends Error {
  override readonly name = "SocketError";
  readonly help: string | undefined;

  constructor(message: string, help?: string) {
    super(message);
    this.help = help;
  }
}

/** The descriptor of a connected socket; -1 without one. */
export function descriptorOf(socket: Socket): number {
  return (socket as unknown as { readonly _handle?: { readonly fd: number } })._handle?.fd ?? -1;
}

/**
 * Makes a socket of mode 0600. `replaces`: an earlier process with this id may have left it.
 *
 * @throws SocketError
 */
export async function listenAt(path: string, { replaces }: { readonly replaces: boolean }): Promise<Server> {
  if (Buffer.byteLength(path) > mostPath)
    throw new SocketError(`${path} is too long for the name of a socket`, "a shorter path");
  if (replaces && lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(path);
  const { createServer } = process.getBuiltinModule("node:net");
  const server = createServer({ pauseOnConnect: true });
  const former = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      // The socket is made before this returns.
      server.listen(path, mostReaders, () => resolve());
      process.umask(former);
    });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const help = code === "EADDRINUSE" ? "name another socket, or remove this one" : undefined;
    throw new SocketError(`the socket ${path} cannot be made (${code})`, help);
  } finally {
    process.umask(former);
  }
  chmodSync(path, 0o600);
  return server;
}

/** Milliseconds to wait for a place in the server's queue, which other clients can fill for a moment. */
const patience = 10_000;

/**
 * Connects to a server of the same user or, for root, of any. `where` says how such a socket is made.
 *
 * @throws SocketError if there is no server, or a confined process may be it
 */
export async function connectTrusted(path: string, where: string): Promise<Socket> {
  for (const end = Date.now() + patience; ; await new Promise((wake) => setTimeout(wake, 20))) {
    const socket = await connectTo(path, where);
    const doubt = doubtAbout(socket);
    if (doubt === undefined) return socket;
    // A service manager has the socket of an agent that has ended, and the connection makes it start the next one.
    const mayStart = hasEnded(socket) && Date.now() < end;
    socket.destroy();
    if (!mayStart) throw new SocketError(`${path} is not trusted: ${doubt}`, "a confined process may have made it");
  }
}

function hasEnded(socket: Socket): boolean {
  const peer = peerOf(descriptorOf(socket));
  return peer !== undefined && peerHasEnded(descriptorOf(socket), peer);
}

/** @throws SocketError */
export async function connectTo(path: string, where: string): Promise<Socket> {
  for (const end = Date.now() + patience; ; await new Promise((wake) => setTimeout(wake, 20))) {
    const socket = await connected(path, Date.now() < end, where);
    if (socket !== undefined) return socket;
  }
}

/** Undefined if the server's queue is full and `mayWait`. */
function connected(path: string, mayWait: boolean, where: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const { connect } = process.getBuiltinModule("node:net");
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EAGAIN" && mayWait) {
        resolve(undefined);
        return;
      }
      const help = error.code === "ECONNREFUSED" || error.code === "ENOENT" ? where : undefined;
      reject(new SocketError(`${path}: ${sentences[error.code ?? ""] ?? error.code}`, help));
    });
  });
}

const sentences: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket",
  ECONNREFUSED: "no tree runs there",
  EACCES: "permission denied",
  ENOTSOCK: "it is not a socket",
  EAGAIN: "too many processes are connecting to it",
};

/** Why the server is not portcullis's; undefined if it may be. */
function doubtAbout(socket: Socket): string | undefined {
  const peer = peerOf(descriptorOf(socket));
  if (peer === undefined) return "its server cannot be identified";
  const uid = process.geteuid?.();
  // Root may look at the trees of all users.
  if (uid !== 0 && peer.uid !== uid) return `its server is user ${peer.uid}'s`;
  if (hasEnded(socket)) return `its server, process ${peer.pid}, has ended`;
  if (isConfinedMore(peer.pid)) return `its server, process ${peer.pid}, is under a filter`;
  return undefined;
}
