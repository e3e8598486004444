/** The files of one compilation; each is read once. */
import { dirname, join, relative, resolve } from "node:path";
import { sha256 } from "../../machine/sha256.ts";
import { SourceFile } from "./file.ts";
import { decodePolicyText, type ReadOutcome, readPolicyFile } from "./read.ts";
import type { Place, Reporter } from "./reporter.ts";

export interface ReadFile {
  /** The name by which this process opens it: absolute, or from the working directory. */
  readonly path: string;
  /** SHA-256 of its bytes, in hexadecimal. */
  readonly hash: string;
}

export class FileStore {
  readonly files: SourceFile[] = [];
  private readonly bytes: { readonly path: string; readonly content: Uint8Array }[] = [];
  private readonly known = new Map<string, SourceFile | undefined>();
  private readonly reporter: Reporter;
  private readonly readBytes: ((path: string) => Uint8Array | string) | undefined;
  /**
   * The names of files that were named from the working directory, by their absolute paths. They are opened by these:
   * a process can be in a folder whose path it may not search, or whose name is not UTF-8, so that the path that Node
   * has names nothing, or another file.
   */
  private readonly names: Map<string, string>;
  private readonly openedAs: ReadonlyMap<string, string>;

  /**
   * @param policy the policy's own file, as it is named
   * @param openedAs the name by which this process opens it, if that name means another file to this process
   */
  constructor(
    reporter: Reporter,
    readBytes: ((path: string) => Uint8Array | string) | undefined,
    policy: string,
    openedAs: string | undefined,
  ) {
    this.reporter = reporter;
    this.readBytes = readBytes;
    this.names = new Map([[resolve(policy), policy]]);
    this.openedAs = new Map(openedAs === undefined ? [] : [[resolve(policy), openedAs]]);
  }

  /** The absolute path of the file that a relative specifier names. */
  pathFrom(importing: SourceFile, specifier: string): string {
    const path = resolve(dirname(importing.path), specifier);
    const name = join(dirname(this.nameOf(importing.path)), specifier);
    if (!this.names.has(path)) this.names.set(path, name);
    return path;
  }

  private nameOf(path: string): string {
    return this.names.get(path) ?? path;
  }

  /** Undefined, after a report at the naming place, if the file cannot be read. */
  read(path: string, place: Place | undefined): SourceFile | undefined {
    if (this.known.has(path)) return this.known.get(path);
    const outcome = this.outcome(path);
    if ("code" in outcome) {
      this.known.set(path, undefined);
      const shown = shownPath(path);
      const missing = outcome.missing === true && place !== undefined;
      this.reporter.report(missing ? "P0107" : outcome.code, `${shown} ${outcome.problem}`, place);
      return undefined;
    }
    const file = new SourceFile(path, shownPath(path), outcome.text, this.files.length);
    this.files.push(file);
    this.bytes.push({ path, content: outcome.bytes });
    this.known.set(path, file);
    return file;
  }

  /** Computed on demand: only the cache needs them. */
  get hashes(): readonly ReadFile[] {
    return this.bytes.map(({ path, content }) => ({
      path: this.openedAs.get(path) ?? this.nameOf(path),
      hash: sha256(content).toString("hex"),
    }));
  }

  private outcome(path: string): ReadOutcome {
    if (this.readBytes === undefined) return readPolicyFile(this.openedAs.get(path) ?? this.nameOf(path));
    try {
      const content = this.readBytes(path);
      return decodePolicyText(typeof content === "string" ? new TextEncoder().encode(content) : content);
    } catch {
      return { code: "P0901", problem: "does not exist", missing: true };
    }
  }
}

/** The path relative to the working directory if that is shorter. */
function shownPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near !== "" && near.length < path.length ? near : path;
}
