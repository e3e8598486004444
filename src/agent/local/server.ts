/**
 * Serves `portcullis run` of this agent's own user, and of those that root permits: fronts (native/launcher/front.c)
 * connect, and this agent does what the Node of each run does otherwise. It never waits for a client, and what it does not
 * serve falls back to Node.
 */
import type { Server, Socket } from "node:net";
import { resolve } from "node:path";
import { errno } from "../../abi/errno-numbers.ts";
import { preventTracing } from "../../engines/engine/run.ts";
import { StartError } from "../../engines/launcher/start-error.ts";
import { close, receiveWithDescriptors } from "../../machine/descriptors.ts";
import { SystemCallError } from "../../machine/native.ts";
import { packageFile } from "../../machine/package.ts";
import { Readiness } from "../../machine/readiness.ts";
import { isUnixSocket } from "../../observe/status/peer.ts";
import { descriptorOf } from "../../observe/status/socket.ts";
import { type Client, examineClient, examineSelf, identityOf, type Own, seesTheSame } from "./client.ts";
import { FrontChannel } from "./front-channel.ts";
import { parseHeader, parseStrings, type RequestHeader, type RequestStrings, request } from "./protocol.ts";
import { LocalRun, type PreparedRun, type RunSurroundings } from "./run.ts";
import { closeStrange } from "./strange.ts";
import { type PermittedUsers, Shares } from "./users.ts";

export interface LocalRunsOptions {
  /** Made with `pauseOnConnect`; mode 0600. It listens already, or will. */
  readonly server: Server;
  /** Undefined for what this agent does not serve. Called in the client's working directory. Must not throw. */
  readonly prepare: (given: RequestStrings) => PreparedRun | undefined;
  /** Whose commands beside this agent's own user's are served, and what is served of them. It must open no file of a name in `given`. */
  readonly others?: PermittedUsers | undefined;
  readonly prepareForOther?: (given: RequestStrings) => PreparedRun | undefined;
  readonly supervise: RunSurroundings["supervise"];
  /** A sentence without a full stop about a client that was not served although it should be. */
  readonly log: (sentence: string) => void;
}

/** Milliseconds for a request, which a front sends at once. */
const requestPatience = 1000;
/** Milliseconds until the command of a launcher runs. Its front can be stopped meanwhile. */
const startPatience = 30_000;
/** Clients whose command does not run yet. Further ones fall back at once; those of other users leave half of the places. */
const mostStarting = 256;
const none: PermittedUsers = { users: new Set(), groups: new Set() };

/**
 * This process's working directory becomes the root, because a client can remove any other. Throws a SystemCallError, or an
 * Error if this process cannot be hidden from its user's others.
 */
export function serveLocalRuns(options: LocalRunsOptions): void {
  if (!preventTracing()) throw new Error("this process cannot be hidden from others of its user (PR_SET_DUMPABLE)");
  process.chdir("/");
  const readiness = new Readiness();
  const own = examineSelf();
  const script = identityOf(packageFile("bin/portcullis.cjs"));
  const isOurScript = (path: string) => {
    try {
      return script !== undefined && identityOf(path) === script;
    } catch {
      return false;
    }
  };
  const starting = new Set<Connection>();
  const shares = new Shares();
  options.server.on("connection", (socket) => {
    const connection = new Connection(socket, {
      ...options,
      ...{ readiness, own, shares },
      isOurScript,
      hasPlace: ({ otherUser }) => starting.size < (otherUser === undefined ? mostStarting : mostStarting / 2),
      onSettled: () => starting.delete(connection),
    });
    if (connection.begin()) starting.add(connection);
  });
}

interface Surroundings extends Pick<LocalRunsOptions, "prepare" | "prepareForOther" | "others" | "log" | "supervise"> {
  readonly readiness: Readiness;
  readonly own: Own;
  readonly shares: Shares;
  readonly isOurScript: (path: string) => boolean;
  readonly hasPlace: (client: Client) => boolean;
  /** The command runs, or will not. */
  readonly onSettled: () => void;
}

class Connection {
  readonly #socket: Socket;
  readonly #descriptor: number;
  readonly #surroundings: Surroundings;
  readonly #channel: FrontChannel;
  #front: Client | undefined;
  #header: RequestHeader | undefined;
  #strings: Uint8Array | undefined;
  #received = 0;
  #launcher = -1;
  #run: LocalRun | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(socket: Socket, surroundings: Surroundings) {
    this.#socket = socket;
    this.#descriptor = descriptorOf(socket);
    this.#surroundings = surroundings;
    this.#channel = new FrontChannel(this.#descriptor);
    socket.on("error", () => undefined);
  }

  /** Returns whether the connection is in use. */
  begin(): boolean {
    const { own, others = none, hasPlace, shares } = this.#surroundings;
    const front = examineClient(this.#descriptor, own, others);
    const { otherUser } = front ?? {};
    if (front === undefined || !hasPlace(front) || (otherUser !== undefined && !shares.take(otherUser))) {
      this.refuse();
      return false;
    }
    this.#front = front;
    this.#surroundings.readiness.add(this.#descriptor, () => this.#read());
    this.#limit(requestPatience);
    // Usually the request is already there.
    this.#read();
    return !this.#isOver;
  }

  /** The front starts Node. */
  refuse(): void {
    this.#channel.tell("fallBack");
    this.#close();
  }

  #limit(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#run === undefined) this.refuse();
      else this.#run.abandon();
    }, milliseconds);
  }

  #read(): void {
    while (!this.#isOver && this.#readOnce());
  }

  /** False if there is no more now. */
  #readOnce(): boolean {
    const isComplete = this.#run !== undefined;
    const into = isComplete
      ? new Uint8Array(64)
      : (this.#strings?.subarray(this.#received) ?? new Uint8Array(request.size));
    const { count, descriptors } = receiveWithDescriptors(this.#descriptor, into, false);
    const isHeader = !isComplete && this.#header === undefined;
    if (isHeader && descriptors.length === 1) this.#launcher = descriptors[0]!;
    else for (const descriptor of descriptors) closeStrange(descriptor);
    if (count === -errno.EAGAIN) return false;
    if (count <= 0) {
      this.#lose();
      return false;
    }
    if (isComplete) {
      this.#lose(); // a front says nothing more, and one that writes without a pause must delay no other
      return false;
    }
    if (!isHeader) {
      this.#received += count;
    } else {
      this.#header = parseHeader(into.subarray(0, count));
      if (this.#header === undefined || this.#header.stringsSize === 0 || !isUnixSocket(this.#launcher)) {
        this.refuse();
        return false;
      }
      this.#strings = new Uint8Array(this.#header.stringsSize);
    }
    if (this.#received === this.#strings!.length) this.#serve(this.#header!, this.#strings!);
    return true;
  }

  #serve(header: RequestHeader, bytes: Uint8Array): void {
    const given = parseStrings(header, bytes);
    const prepared = given === undefined ? undefined : this.#prepare(header, given);
    if (prepared === undefined || !this.#channel.tell("accepted")) {
      this.refuse();
      return;
    }
    const { readiness, supervise, own } = this.#surroundings;
    const surroundings = {
      readiness,
      front: this.#front!,
      user: own.user,
      channel: this.#channel,
      supervise,
      onStarted: () => {
        clearTimeout(this.#timer);
        this.#surroundings.onSettled();
      },
    };
    const launcher = this.#launcher;
    this.#launcher = -1;
    try {
      this.#run = new LocalRun(launcher, prepared, surroundings);
    } catch (error) {
      close(launcher);
      if (!(error instanceof StartError || error instanceof SystemCallError)) throw error;
      this.refuse();
      return;
    }
    this.#limit(startPatience);
    void this.#run.outcome.then((outcome) => {
      if (outcome === "refused") this.#channel.tell("fallBack");
      else if (outcome !== "ended")
        this.#surroundings.log(`a run of process ${this.#front!.pid} was not supervised: ${outcome.failure}`);
      this.#close();
    });
  }

  #prepare(header: RequestHeader, given: RequestStrings): PreparedRun | undefined {
    const { prepareForOther, own } = this.#surroundings;
    // A lookup of another user's names would have this agent's rights, and could wait for that user's file server.
    if (this.#front!.otherUser !== undefined) return prepareForOther?.(given);
    return seesTheSame(header, own) ? this.#prepareOwn(header, given) : undefined;
  }

  /** In the client's working directory, because the names of files are relative to it. */
  #prepareOwn({ identities }: RequestHeader, given: RequestStrings): PreparedRun | undefined {
    const { isOurScript, prepare } = this.#surroundings;
    try {
      process.chdir(given.directory);
      if (identityOf(".") !== identities.directory || !isOurScript(resolve(given.script))) return undefined;
      return prepare(given);
    } catch {
      return undefined; // the directory cannot be entered, or has just been removed
    } finally {
      process.chdir("/");
    }
  }

  /** The front has gone. A command that runs goes on. */
  #lose(): void {
    this.#surroundings.readiness.remove(this.#descriptor);
    this.#channel.end();
    if (this.#run === undefined) this.#close();
    else this.#run.abandon();
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#surroundings.readiness.remove(this.#descriptor);
    if (this.#launcher >= 0) closeStrange(this.#launcher);
    this.#socket.destroy();
    const { otherUser } = this.#front ?? {};
    if (otherUser !== undefined) this.#surroundings.shares.give(otherUser);
    this.#surroundings.onSettled();
  }
}
