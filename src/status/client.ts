/** Reads the lines of a status socket, after a check that portcullis, and no confined process, serves it. */
import { connect, type Socket } from "node:net";
import { isConfinedMore, peerOf } from "./peer.ts";
import { mostReaders, StatusError } from "./server.ts";
import type { Status } from "./status.ts";

/** Bytes of a line: some hundred processes with their state. */
const mostLine = 1 << 24;

/**
 * Calls `onStatus` with each line until the tree ends or `onStatus` returns false.
 *
 * @throws StatusError if there is no server, it is not trusted, or it refuses this process
 */
export async function readStatus(path: string, onStatus: (status: Status) => boolean): Promise<void> {
  const socket = await answered(path);
  const doubt = doubtAbout(socket);
  if (doubt !== undefined) {
    socket.destroy();
    throw new StatusError(`${path} is not trusted: ${doubt}`, "a confined process may have made it");
  }
  let rest = "";
  let isWelcome = false;
  socket.setEncoding("utf8");
  try {
    for await (const part of socket as AsyncIterable<string>) {
      rest += part;
      for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        isWelcome = true;
        if (!onStatus(parsed(line, path))) return;
      }
      if (rest.length > mostLine) throw new StatusError(`${path} writes lines that are too long`);
    }
  } catch (error) {
    if (error instanceof StatusError) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    if (code !== "ECONNRESET") throw new StatusError(`${path} cannot be read (${code})`);
  } finally {
    socket.destroy();
  }
  if (!isWelcome) throw await refusal(path);
}

/**
 * Why the connection has ended before a status. The server tells a process that it refuses nothing, because that may be a
 * confined one. If the tree has ended, it has no server any more.
 *
 * @throws StatusError if the tree has ended
 */
async function refusal(path: string): Promise<StatusError> {
  (await answered(path)).destroy();
  return new StatusError(
    `${path} refuses this process: it has ${mostReaders} readers, or this process is in the tree or in another pid namespace`,
    "end another reader, or run portcullis top outside of the tree, where portcullis run was started",
  );
}

/** Milliseconds to wait for a place in the server's queue, which other clients can fill for a moment. */
const patience = 10_000;

async function answered(path: string): Promise<Socket> {
  for (const end = Date.now() + patience; ; await new Promise((wake) => setTimeout(wake, 20))) {
    const socket = await connected(path, Date.now() < end);
    if (socket !== undefined) return socket;
  }
}

/** Undefined if the server's queue is full and `mayWait`. */
function connected(path: string, mayWait: boolean): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EAGAIN" && mayWait) {
        resolve(undefined);
        return;
      }
      const help =
        error.code === "ECONNREFUSED" || error.code === "ENOENT"
          ? "`portcullis run --status auto` makes a socket"
          : undefined;
      reject(new StatusError(`${path}: ${sentences[error.code ?? ""] ?? error.code}`, help));
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
  const { fd } = (socket as unknown as { readonly _handle?: { readonly fd: number } })._handle ?? { fd: -1 };
  const peer = peerOf(fd);
  if (peer === undefined) return "its server cannot be identified";
  const uid = process.geteuid?.();
  // Root may look at the trees of all users.
  if (uid !== 0 && peer.uid !== uid) return `its server is user ${peer.uid}'s`;
  if (isConfinedMore(peer.pid)) return `its server, process ${peer.pid}, is under a filter`;
  return undefined;
}

function parsed(line: string, path: string): Status {
  try {
    const value: unknown = JSON.parse(line);
    if (
      typeof value === "object" &&
      value !== null &&
      "kind" in value &&
      value.kind === "status" &&
      "v" in value &&
      value.v === 1
    ) {
      return value as Status;
    }
  } catch {
    // The line is not JSON.
  }
  throw new StatusError(
    `${path} writes lines that this version of portcullis cannot read`,
    "use the same version for run and top",
  );
}
