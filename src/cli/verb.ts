/** What a verb is: its manual page and its work. One thin file each in `verbs/`; the work is loaded when it is asked for. */
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sources } from "../diagnostics/render.ts";
import type { Context } from "./context.ts";

/** What a shell proposes: files, folders, policies (ready ones and files), or one of these words. */
export type Completion = "file" | "directory" | "policy" | readonly string[];

export interface OptionSpecification {
  readonly short?: string;
  /** The value's name in the manual ("FILE"); an option without a value has none. */
  readonly value?: string;
  /** May be given more than once. */
  readonly multiple?: boolean;
  readonly about: string;
  /** What a shell proposes for the value. */
  readonly complete?: Completion;
}

export type OptionTable = Readonly<Record<string, OptionSpecification>>;

export interface Verb {
  readonly name: string;
  /** One line, in the imperative, no full stop. */
  readonly summary: string;
  /** Without "portcullis": "run [OPTIONS] -p POLICY -- COMMAND [ARGUMENT…]". */
  readonly synopsis: readonly string[];
  /** Paragraphs. */
  readonly about: readonly string[];
  readonly options: OptionTable;
  readonly exit: readonly (readonly [status: string, meaning: string])[];
  readonly examples: readonly (readonly [command: string, about: string])[];
  /** Options end at the first word that is none: what follows is somebody else's command. */
  readonly takesCommand?: boolean;
  /** What a shell proposes for words that are no options. */
  readonly complete?: Completion;
  execute(invocation: Invocation, context: Context): Promise<number>;
}

/** A verb in the table of all verbs; the verb itself is loaded on demand. */
export interface VerbEntry {
  /** The same as the verb's own (a test compares). */
  readonly summary: string;
  load(): Promise<Verb>;
}

export type VerbTable = Readonly<Record<string, VerbEntry>>;

export interface Invocation {
  /** The last value of each option that was given. */
  text(option: string): string | undefined;
  texts(option: string): readonly string[];
  has(option: string): boolean;
  /** The words that are no options. */
  readonly words: readonly string[];
}

/** 125: our own failure. What the command's own statuses mean is the command's. */
export const failed = 125;

/** Ends a verb: what is wrong is told, and the status is 125 unless said otherwise. */
export class Failure extends Error {
  readonly diagnostics: readonly Diagnostic[];
  readonly status: number;
  /** Texts of the files that the diagnostics speak of, to show their lines. */
  readonly sources: Sources | undefined;

  constructor(diagnostics: readonly Diagnostic[], sources?: Sources, status = failed) {
    super(diagnostics.map((one) => one.message).join("; "));
    this.diagnostics = diagnostics;
    this.sources = sources;
    this.status = status;
  }
}

export const commonOptions: OptionTable = {
  help: { short: "h", about: "Show this page." },
};
