/** The files of one compilation; each is read once. */
import { relative } from "node:path";
import { sha256 } from "../../linux/sha256.ts";
import type { Place, Reporter } from "../walk/reporter.ts";
import { SourceFile } from "./file.ts";
import { decodePolicyText, type ReadOutcome, readPolicyFile } from "./read.ts";

export interface ReadFile {
  /** Absolute; the name by which this process opens it. */
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
  private readonly openedAs: ReadonlyMap<string, string>;

  /** @param openedAs the names by which this process opens files whose paths mean others to it */
  constructor(
    reporter: Reporter,
    readBytes: ((path: string) => Uint8Array | string) | undefined,
    openedAs: ReadonlyMap<string, string>,
  ) {
    this.reporter = reporter;
    this.readBytes = readBytes;
    this.openedAs = openedAs;
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
      path: this.openedAs.get(path) ?? path,
      hash: sha256(content).toString("hex"),
    }));
  }

  private outcome(path: string): ReadOutcome {
    if (this.readBytes === undefined) return readPolicyFile(this.openedAs.get(path) ?? path);
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
