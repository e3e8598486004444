/** Opens what events are written to, so that no write waits. */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import type { Channel, WriteOutcome } from "./sink.ts";

export type Destination = { readonly file: string } | { readonly fd: number };

/** Why a destination cannot be had, for people. */
export class DestinationError extends Error {
  readonly help: string | undefined;
  constructor(message: string, help: string | undefined) {
    super(message);
    this.help = help;
  }
}

/**
 * A file is appended to, and made with mode 0600: arguments of calls are nobody else's business. An open fd is borrowed:
 * it is not closed, and stays as it is for those who share it.
 *
 * @throws DestinationError
 */
export function openChannel(destination: Destination): Channel {
  return "file" in destination ? openFile(destination.file) : borrow(destination.fd);
}

function openFile(file: string): Channel {
  const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    // O_NONBLOCK: a fifo without a reader is an error (ENXIO), not a wait.
    return new FdChannel(openSync(file, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY, 0o600), true);
  } catch (error) {
    const code = errnoCode(error);
    if (code === "EISDIR") throw new DestinationError(`${file} is a directory`, "name a file in it");
    if (code === "ENXIO") throw new DestinationError(`nobody reads the fifo ${file}`, "start its reader first");
    throw new DestinationError(`${file} cannot be opened for events (${code})`, undefined);
  }
}

function borrow(fd: number): Channel {
  let stat: ReturnType<typeof fstatSync>;
  try {
    stat = fstatSync(fd);
  } catch (error) {
    throw new DestinationError(
      `file descriptor ${fd} is not open (${errnoCode(error)})`,
      `open it in the shell: \`portcullis run --events fd:${fd} … ${fd}>events.jsonl\``,
    );
  }
  if (stat.isDirectory()) throw new DestinationError(`file descriptor ${fd} is a directory`, undefined);
  // Writes to a regular file do not wait for anybody. For a pipe or a terminal, O_NONBLOCK on the fd itself would be set
  // for all who share it, the command included: opening it anew through /proc gives a description of our own.
  if (stat.isFIFO() || stat.isCharacterDevice()) {
    try {
      const own = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
      return new FdChannel(own, true);
    } catch {
      // The other end is gone, or it is another user's terminal. Writing through the fd as it is then is the best there is.
    }
  }
  return new FdChannel(fd, false);
}

class FdChannel implements Channel {
  readonly #fd: number;
  readonly #own: boolean;
  constructor(fd: number, own: boolean) {
    this.#fd = fd;
    this.#own = own;
  }

  write(bytes: Uint8Array): WriteOutcome {
    try {
      return writeSync(this.#fd, bytes);
    } catch (error) {
      const code = errnoCode(error);
      // A full disk may be emptied; until then lines are dropped and counted.
      if (code === "EAGAIN" || code === "EINTR" || code === "ENOSPC" || code === "EDQUOT") return "full";
      return "closed"; // EPIPE, EIO, EBADF: the count of what is lost is told by the caller at the end
    }
  }

  close(): void {
    if (this.#own) closeSync(this.#fd);
  }
}

function errnoCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
