/** Reads the lines of a status socket, after a check that portcullis, and no confined process, serves it. */
import { connectTo, connectTrusted, mostReaders, SocketError } from "./socket.ts";
import type { Status } from "./status.ts";

const whereSockets = "`portcullis run --status auto` makes a socket";

/** Bytes of a line: some hundred processes with their state. */
const mostLine = 1 << 24;

export interface StatusPlace {
  readonly socket: string;
  /** The question that comes first, where one process serves several trees (src/agent/control.ts). */
  readonly question?: string | undefined;
}

/**
 * Calls `onStatus` with each line until the tree ends, `onStatus` returns false, or `stop` is aborted.
 *
 * @throws SocketError if there is no server, it is not trusted, or it refuses this process
 */
export async function readStatus(
  { socket: path, question }: StatusPlace,
  onStatus: (status: Status) => boolean,
  stop?: AbortSignal,
): Promise<void> {
  const socket = await connectTrusted(path, whereSockets);
  stop?.addEventListener("abort", () => socket.destroy());
  let rest = "";
  let isWelcome = false;
  socket.setEncoding("utf8");
  if (question !== undefined) socket.write(`${question}\n`);
  try {
    for await (const part of socket as AsyncIterable<string>) {
      rest += part;
      for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        isWelcome = true;
        if (!onStatus(parsed(line, path))) return;
      }
      if (rest.length > mostLine) throw new SocketError(`${path} writes lines that are too long`);
    }
  } catch (error) {
    if (error instanceof SocketError) throw error;
    if (stop?.aborted === true) return;
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    if (code !== "ECONNRESET" && code !== "EPIPE") throw new SocketError(`${path} cannot be read (${code})`);
  } finally {
    socket.destroy();
  }
  if (!isWelcome && stop?.aborted !== true) throw await refusal(path);
}

/**
 * Why the connection has ended before a status. The server tells a process that it refuses nothing, because that may be a
 * confined one. If the tree has ended, it has no server any more.
 *
 * @throws SocketError if the tree has ended
 */
async function refusal(path: string): Promise<SocketError> {
  (await connectTo(path, whereSockets)).destroy();
  return new SocketError(
    `${path} refuses this process: it has ${mostReaders} readers, or this process is in the tree or in another pid namespace`,
    "end another reader, or run portcullis top outside of the tree, where portcullis run was started",
  );
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
      // A run of an earlier version does not group refused calls.
      return Object.assign({ refused: [], refusedBefore: 0 }, value as object as Status);
    }
  } catch {
    // The line is not JSON.
  }
  throw new SocketError(
    `${path} writes lines that this version of portcullis cannot read`,
    "use the same version for run and top",
  );
}
