/** Parses the Test Anything Protocol of the kernel's selftests (Documentation/dev-tools/ktap.rst), top level only. */

export interface TapCase {
  readonly name: string;
  readonly passed: boolean;
  /** Why it did not run. */
  readonly skipped?: string;
  /** The comment lines printed since the case before. */
  readonly detail: string;
}

const result = /^(not )?ok (\d+)(?: (?:- )?(.*?))?(?: # (SKIP|TODO|XFAIL)\b ?(.*))?$/;

export function parseTap(text: string): TapCase[] {
  const cases: TapCase[] = [];
  let detail: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const found = result.exec(line);
    if (found === null) {
      if (line.startsWith("#")) detail.push(line.slice(1).trim());
      continue;
    }
    const [, not, number, name, directive, reason] = found;
    cases.push({
      name: name || `case ${number}`,
      passed: not === undefined,
      ...(directive === "SKIP" ? { skipped: reason || "no reason given" } : {}),
      detail: detail.join("\n"),
    });
    detail = [];
  }
  return cases;
}
