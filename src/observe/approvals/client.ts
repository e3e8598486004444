/** Reads the questions of running trees and answers them. */

import type { Socket } from "node:net";
import { join } from "node:path";
import { runningIn, statusFolder } from "../status/location.ts";
import { connectTrusted, SocketError } from "../status/socket.ts";
import { type AnswerLine, readServerLine, type ServerLine } from "./protocol.ts";

const where = "`portcullis run` makes a socket if its policy asks";
/** Bytes of a line: the arguments of a call. */
const mostLine = 1 << 22;

/** The runs of this user that can have questions, by portcullis's process. */
export function approvalSockets(): readonly { readonly pid: number; readonly socket: string }[] {
  const folder = statusFolder();
  return runningIn(/^(\d{1,10})\.approvals$/).map(({ pid, name }) => ({ pid, socket: join(folder, name) }));
}

export class ApprovalClient {
  readonly #socket: Socket;
  readonly #path: string;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    socket.setEncoding("utf8");
  }

  /** @throws SocketError if there is no server, or a confined process may be it */
  static async open(path: string): Promise<ApprovalClient> {
    return new ApprovalClient(await connectTrusted(path, where), path);
  }

  answer(line: AnswerLine): void {
    this.#socket.write(`${JSON.stringify(line)}\n`);
  }

  close(): void {
    this.#socket.destroy();
  }

  /**
   * The server's lines until the tree ends.
   *
   * @throws SocketError if the server writes something else, or ends the connection at once
   */
  async *lines(): AsyncGenerator<ServerLine> {
    let rest = "";
    try {
      for await (const part of this.#socket as AsyncIterable<string>) {
        rest += part;
        for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
          yield this.#parsed(rest.slice(0, end));
          rest = rest.slice(end + 1);
        }
        if (rest.length > mostLine) throw new SocketError(`${this.#path} writes lines that are too long`);
      }
    } catch (error) {
      if (error instanceof SocketError) throw error;
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      if (code !== "ECONNRESET") throw new SocketError(`${this.#path} cannot be read (${code})`);
      throw new SocketError(
        `${this.#path} refuses this process: it is in the tree or in another pid namespace, or too many others are connected`,
        "run portcullis approvals outside of the tree",
      );
    }
  }

  #parsed(line: string): ServerLine {
    try {
      return readServerLine(line);
    } catch {
      throw new SocketError(
        `${this.#path} writes lines that this version of portcullis cannot read`,
        "use the same version for run and approvals",
      );
    }
  }
}
