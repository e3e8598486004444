/** The type of a verb: its manual page and its implementation, one file each in `verbs/`, loaded on demand. */
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sources } from "../diagnostics/render.ts";
import type { Context } from "./context.ts";

/** The completions of a shell: files, folders, policies (ready ones and files), parameters of the policy, or these words. */
export type Completion = "file" | "directory" | "policy" | "parameter" | readonly string[];

export interface OptionSpecification {
  readonly short?: string;
  /** The value's name in the manual ("FILE"); absent for an option without a value. */
  readonly value?: string;
  /** May be given more than once. */
  readonly multiple?: boolean;
  readonly about: string;
  /** The completions of the value. */
  readonly complete?: Completion;
}

export type OptionTable = Readonly<Record<string, OptionSpecification>>;

export interface Verb {
  readonly name: string;
  /** Without "portcullis": "run [OPTIONS] -p POLICY -- COMMAND [ARGUMENT…]". */
  readonly synopsis: readonly string[];
  /** Paragraphs. */
  readonly about: readonly string[];
  readonly options: OptionTable;
  readonly exit: readonly (readonly [status: string, meaning: string])[];
  readonly examples: readonly (readonly [command: string, about: string])[];
  /** Options end at the first other word, which begins the command to run. */
  readonly takesCommand?: boolean;
  /** The completions of the other words. */
  readonly complete?: Completion;
  execute(invocation: Invocation, context: Context): Promise<number>;
}

/** A verb in the table of all verbs; the verb itself is loaded on demand. */
export interface VerbEntry {
  /** One line, in the imperative, no full stop. */
  readonly summary: string;
  load(): Promise<Verb>;
}

export type VerbTable = Readonly<Record<string, VerbEntry>>;

/** The manual page of a verb. */
export type VerbPage = Verb & Pick<VerbEntry, "summary">;

export async function pageOf({ summary, load }: VerbEntry): Promise<VerbPage> {
  return { summary, ...(await load()) };
}

export interface Invocation {
  /** The last value of each option that was given. */
  text(option: string): string | undefined;
  texts(option: string): readonly string[];
  has(option: string): boolean;
  /** The words that are not options. */
  readonly words: readonly string[];
}

/** The exit status of an error of portcullis; all other statuses of `run` are the command's. */
export const failed = 125;

/** Ends a verb with diagnostics and an exit status, 125 by default. */
export class Failure extends Error {
  readonly diagnostics: readonly Diagnostic[];
  readonly status: number;
  /** Contents of the files in the diagnostics, to show their lines. */
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
