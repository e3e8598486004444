/** The Unix sockets on which the agent takes requests, and the check of the processes that connect. */
import { chmodSync, lstatSync, mkdirSync, statSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { callNumber } from "../abi/call-numbers.ts";
import { native } from "../machine/native.ts";
import { isConfined, isOurs, type Peer, peerHasEnded, peerOf, peerStillRuns } from "../observe/status/peer.ts";
import { descriptorOf, SocketError } from "../observe/status/socket.ts";

/** The size of sun_path without its NUL (include/uapi/linux/un.h). */
const mostPath = 107;
const duplicate = 1030; // F_DUPFD_CLOEXEC
const backlog = 128;

export interface SocketOptions {
  readonly path: string;
  /** The access permissions of a socket that this process makes. */
  readonly mode: number;
  /** The listening socket that the service manager has made for this path. */
  readonly given: number | undefined;
  readonly users: (uid: number) => boolean;
  /** The process that has connected may have ended: it waits for no answer. `take` must not rely on it. */
  readonly mayHaveEnded?: boolean;
  /** The most connections of one user at a time. */
  readonly mostOfUser: number;
  /** Takes a connection, paused, whose other side is a process that may ask. It must call `ended` when it has closed it. */
  readonly take: (connection: Socket, peer: Peer, ended: () => void) => void;
  readonly refused: (why: string) => void;
}

export class AgentSocket {
  readonly #options: SocketOptions;
  readonly #server: Server;
  readonly #connections = new Map<number, number>();

  private constructor(options: SocketOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    server.on("connection", (socket) => this.#welcome(socket));
  }

  /** @throws SocketError */
  static async open(options: SocketOptions): Promise<AgentSocket> {
    return new AgentSocket(options, await listeningServer(options));
  }

  /** No connection is taken at present. */
  get isIdle(): boolean {
    return this.#connections.size === 0;
  }

  close(): void {
    closeServer(this.#server, this.#options);
  }

  #welcome(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    const descriptor = descriptorOf(socket);
    const peer = peerOf(descriptor);
    const why = this.#doubtAbout(descriptor, peer);
    if (why !== undefined || peer === undefined) {
      socket.destroy();
      this.#options.refused(why ?? "");
      return;
    }
    const { uid } = peer;
    this.#connections.set(uid, (this.#connections.get(uid) ?? 0) + 1);
    let isOver = false;
    this.#options.take(socket, peer, () => {
      if (isOver) return;
      isOver = true;
      const left = this.#connections.get(uid)! - 1;
      if (left === 0) this.#connections.delete(uid);
      else this.#connections.set(uid, left);
    });
  }

  /** Why the process that has connected may not ask; undefined if it may. Each task of a tree is under a filter. */
  #doubtAbout(descriptor: number, peer: Peer | undefined): string | undefined {
    if (peer === undefined) return "the process that connected cannot be identified";
    const { pid, uid } = peer;
    if (!this.#options.users(uid)) return `process ${pid} is user ${uid}'s, who is not permitted`;
    const why = this.#doubtAboutProcess(descriptor, pid);
    // It can end at any moment of its examination.
    if (why !== undefined && !(this.#options.mayHaveEnded === true && peerHasEnded(descriptor, peer))) return why;
    if ((this.#connections.get(uid) ?? 0) >= this.#options.mostOfUser)
      return `user ${uid} has ${this.#options.mostOfUser} connections already`;
    return undefined;
  }

  #doubtAboutProcess(descriptor: number, pid: number): string | undefined {
    if (isOurs(pid)) return `process ${pid} has ended, is in another pid namespace, or is a child of the agent`;
    if (isConfined(pid)) return `process ${pid} is under a filter itself`;
    return peerStillRuns(descriptor) ? undefined : `process ${pid} has ended`;
  }
}

type Place = Pick<SocketOptions, "path" | "mode" | "given">;

/** Accepts connections, paused, of every process that may open the socket. @throws SocketError */
export async function listeningServer(place: Place): Promise<Server> {
  const server = createServer({ pauseOnConnect: true });
  if (place.given === undefined) await makePlace(place.path);
  await listen(server, place);
  return server;
}

/** Removes the socket, unless the service manager keeps it. */
export function closeServer(server: Server, { path, given }: Place): void {
  server.close();
  if (given !== undefined) return;
  try {
    unlinkSync(path);
  } catch {
    // The server has removed it.
  }
}

/** Makes the folder, and removes a socket that no process serves any more. @throws SocketError */
async function makePlace(path: string): Promise<void> {
  if (Buffer.byteLength(path) > mostPath) throw new SocketError(`${path} is too long for the name of a socket`);
  const folder = dirname(path);
  try {
    // One level: what is above belongs to the system or to the user's session.
    mkdirSync(folder, { mode: process.geteuid?.() === 0 ? 0o755 : 0o700 });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw new SocketError(`${folder} cannot be made (${codeOf(error)})`);
  }
  const { uid, mode } = statSync(folder);
  const isOwn = uid === 0 || uid === process.geteuid?.();
  if (!isOwn || (mode & 0o022) !== 0)
    throw new SocketError(`other users may write to ${folder}`, "a folder that only its user or root may write to");
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  if (await isServed(path)) throw new SocketError(`another process serves ${path}`, "end it, or name another socket");
  unlinkSync(path);
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const answer = (served: boolean): void => {
      socket.destroy();
      resolve(served);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", (error) => answer(codeOf(error) !== "ECONNREFUSED"));
  });
}

async function listen(server: Server, { path, mode, given }: Place): Promise<void> {
  const former = process.umask(0o777);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      if (given === undefined) server.listen({ path, backlog }, resolve);
      else server.listen({ fd: given }, resolve);
      // The socket is made before this returns.
      process.umask(former);
    });
    if (given === undefined) chmodSync(path, mode);
  } catch (error) {
    throw new SocketError(`the socket ${path} cannot be made (${codeOf(error)})`);
  } finally {
    process.umask(former);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/**
 * The descriptor of a paused connection that leaves Node's hands. It does not block. Node's own reads would drop the
 * descriptors that come with a message. Negative if no descriptor is left.
 */
export function detach(connection: Socket): number {
  const own = native().syscall(callNumber("fcntl"), descriptorOf(connection), duplicate, 0);
  connection.destroy();
  return own;
}
