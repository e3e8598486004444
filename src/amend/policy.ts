/** A policy as a text that changes, and its case files. */
import { resolve } from "node:path";
import type { ArchitectureName } from "../abi/architecture.ts";
import { lintPolicy } from "../analysis/lint/lint.ts";
import { hasErrors } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sources } from "../diagnostics/render.ts";
import { loadPolicy } from "../frontend/load.ts";
import type { ReadFile } from "../frontend/source/store.ts";
import type { TighteningPromise } from "../frontend/typescript/walk/findings.ts";
import type { DeclaredParameter } from "../frontend/typescript/walk/parameters.ts";
import type { Program } from "../ir/program.ts";
import { readInputFile } from "../machine/inputs.ts";

export interface PolicySettings {
  /** The file's name in messages and rules. */
  readonly file: string;
  readonly architecture: ArchitectureName;
  readonly parameters: ReadonlyMap<string, string>;
  readonly landlockAbi: number;
  /** Whether the path is one of a file that is there and is no directory. */
  readonly isFile: (path: string) => boolean;
}

export type Compiled =
  | {
      readonly program: Program;
      /** Warnings. */
      readonly diagnostics: readonly Diagnostic[];
      readonly promises: readonly TighteningPromise[];
      readonly sources: Sources;
      readonly parameters: readonly DeclaredParameter[];
      /** The policy's text: its own file first, and its imports. */
      readonly files: readonly ReadFile[];
    }
  | { readonly program: undefined; readonly diagnostics: readonly Diagnostic[]; readonly sources: Sources };

/** Compiles this text in place of the file's, as `check` does. */
export function compile(
  settings: PolicySettings,
  text: string,
  set: ReadonlyMap<string, string> = new Map(),
): Compiled {
  const path = resolve(settings.file);
  const loaded = loadPolicy(settings.file, {
    architecture: settings.architecture,
    landlockAbi: settings.landlockAbi,
    set: new Map([...set, ...settings.parameters]),
    readFile: (wanted) => (wanted === path ? text : readInputFile(wanted)),
  });
  const { program, diagnostics, promises, declarations, sources } = loaded;
  if (program === undefined || hasErrors(diagnostics)) return { program: undefined, diagnostics, sources };
  const found = lintPolicy(program, { promises, declarations });
  if (hasErrors(found)) return { program: undefined, diagnostics: found, sources };
  return {
    ...{ program, diagnostics: [...diagnostics, ...found], promises, sources, parameters: loaded.parameters },
    get files() {
      return loaded.ownFiles;
    },
  };
}
