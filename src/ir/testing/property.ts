/** Properties of fast-check as tests. The package @fast-check/vitest takes two seconds of a processor to import. */
import fc from "fast-check";
import { test } from "vitest";

/** `property([ARBITRARY...])("name", holds)`: a test that `holds` neither throws nor returns false for any values. */
export function property<Values extends [unknown, ...unknown[]]>(
  arbitraries: { [Key in keyof Values]: fc.Arbitrary<Values[Key]> },
  parameters?: fc.Parameters<Values>,
) {
  return (name: string, holds: (...values: Values) => unknown): void => {
    const run = async (...values: Values) => (await holds(...values)) !== false;
    test(name, () => fc.assert(fc.asyncProperty(...arbitraries, run), parameters));
  };
}
