/**
 * Accepted warnings: a comment before the line that a warning names says that its author means it.
 *
 *     // accept P0501: a descriptor to truncate by was opened for writing
 *     return isInside ? allow : deny("EROFS");
 *
 * The comment is about this line and this code only. Errors cannot be accepted.
 */
import { type CatalogueEntry, catalogue, diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic, Span } from "../../diagnostics/diagnostic.ts";
import type { Sources } from "../../diagnostics/render.ts";

/** In a conditional expression the formatter puts it behind the `?`. */
const comment = /^\s*(?:[?:] )?\/\//;
/** Without a reason it accepts nothing. */
const acceptance = /\/\/ accept (P\d{4}(?:, P\d{4})*): \S/;

export interface Sorted {
  readonly left: readonly Diagnostic[];
  readonly accepted: readonly Diagnostic[];
}

/** `sources`: of `loadPolicy`. */
export function sortAccepted(diagnostics: readonly Diagnostic[], sources: Sources): Sorted {
  const isAccepted = ({ code, severity, span }: Diagnostic) =>
    severity === "warning" && span !== undefined && codesAcceptedAt(span, sources).has(code);
  return {
    left: diagnostics.filter((one) => !isAccepted(one)),
    accepted: diagnostics.filter(isAccepted),
  };
}

/** The codes of the comments that end on the line before the place. */
function codesAcceptedAt({ file, line }: Span, sources: Sources): ReadonlySet<string> {
  const lines = sources.get(file)?.split("\n") ?? [];
  const codes = new Set<string>();
  for (let at = line - 2; comment.test(lines[at] ?? ""); at--)
    for (const code of acceptance.exec(lines[at]!)?.[1]?.split(", ") ?? []) codes.add(code);
  return codes;
}

/** Comments in these files that accept a code that is no warning: it does not exist, or it is an error. */
export function vainAcceptances(files: readonly string[], sources: Sources): readonly Diagnostic[] {
  return files.flatMap((file) =>
    (sources.get(file) ?? "").split("\n").flatMap((line, index) => {
      const found = acceptance.exec(line);
      return (found?.[1]?.split(", ") ?? []).flatMap((code) => {
        const severity = (catalogue as Readonly<Record<string, CatalogueEntry>>)[code]?.severity;
        if (severity === "warning") return [];
        const column = found!.index + 1;
        return diagnostic(
          "P0510",
          severity === undefined ? `there is no ${code}` : `${code} is an error, which no comment accepts`,
          {
            span: { file, line: index + 1, column, length: line.length - column + 1 },
            help: "docs/language-reference.md lists the codes of warnings",
          },
        );
      });
    }),
  );
}
