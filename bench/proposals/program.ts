/** A program of the benchmark of proposals: how it starts, what it does while it is recorded, and what it does later. */
export interface Place {
  /** An empty directory that all users can write. */
  readonly folder: string;
  readonly port: number;
  /** A second port, for programs with two. */
  readonly other: number;
  /** The port of an HTTP server that is not confined: the origin of proxies and caches. */
  readonly origin: number;
}

/** A command of `sh -c`, and the text of its output that shows success. */
export type Request = readonly [command: string, answer: RegExp];

interface Common {
  readonly name: string;
  /** Debian's package. */
  readonly package: string;
  /** Files of its folder. */
  files?(place: Place): Readonly<Record<string, string>>;
  /** A command of `sh -c` in its folder, before each start. */
  prepare?(place: Place): string;
  /** Variables of its environment, beside PATH and HOME. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ServerProgram extends Common {
  readonly kind: "server";
  command(place: Place): readonly string[];
  /** Succeeds once it serves; part of each load. */
  ready(place: Place): Request;
  /** What is recorded, several times. */
  recorded(place: Place): readonly Request[];
  /** The other load: more connections, other sizes, errors of clients, what an administrator does. */
  later(place: Place): readonly Request[];
  /** The default is SIGTERM. */
  readonly end?: NodeJS.Signals;
}

export interface BatchProgram extends Common {
  readonly kind: "batch";
  recorded(place: Place): readonly string[];
  later(place: Place): readonly string[];
}

export type Program = ServerProgram | BatchProgram;
