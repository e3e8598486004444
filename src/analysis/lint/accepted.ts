/**
 * Accepted warnings: a comment before the line that a warning names says that its author means it.
 *
 *     // accept P0501: a descriptor to truncate by was opened for writing
 *     return isInside ? allow : deny("EROFS");
 *
 * The comment is about this line and this code only. Errors cannot be accepted.
 */
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
