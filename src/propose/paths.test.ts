/** Patterns from recorded paths: folders, globs, process numbers, and what stays whole. */
import { expect, test } from "vitest";
import { mayHideParents, textPatterns } from "./paths.ts";

const of = (...texts: string[]) => textPatterns(texts, true);

test("few paths stay whole", () => {
  expect(of("/etc/hosts", "/etc/passwd", "name", "/")).toEqual({
    is: ["/", "/etc/hosts", "/etc/passwd", "name"],
    under: [],
    matches: [],
  });
});

test("a folder of many names stands for them, and the root never does", () => {
  const names = "abcdefghijk".split("");
  expect(of(...names.map((name) => `/srv/www/${name}`))).toEqual({ is: [], under: ["/srv/www"], matches: [] });
  expect(of(...names.map((name) => `/${name}`))?.under).toEqual([]);
  expect(of("/srv/www/")).toEqual({ is: [], under: ["/srv/www"], matches: [] });
});

test("names that differ in their numbers become a glob, a process's number always", () => {
  expect(of("/tmp/f1", "/tmp/f22", "/tmp/f333")?.matches).toEqual(["/tmp/f*"]);
  expect(of("/tmp/f1", "/tmp/f22")?.is).toEqual(["/tmp/f1", "/tmp/f22"]);
  expect(of("/proc/12/stat")?.matches).toEqual(["/proc/*/stat"]);
  expect(of("/tmp/[a]1", "/tmp/[a]2", "/tmp/[a]3")?.matches).toEqual(["/tmp/\\[a\\]*"]);
});

test("paths with .. remain whole, beside patterns that they must not enter", () => {
  expect(of("/usr/lib/../lib/a")).toEqual({ is: ["/usr/lib/../lib/a"], under: [], matches: [] });
  expect(mayHideParents({ is: [], under: ["/usr"], matches: [] })).toBe(true);
  expect(mayHideParents({ is: [], under: [], matches: ["/proc/*/stat"] })).toBe(true);
  expect(mayHideParents({ is: [], under: [], matches: ["/tmp/f*"] })).toBe(false);
});

test("too many have no rule, or a shorter one", () => {
  expect(of(...Array.from({ length: 40 }, (_, index) => `${index}`))).toBeUndefined();
  const spread = Array.from(
    { length: 200 },
    (_, index) => `/d${String.fromCharCode(97 + (index % 7))}/${"xyz"[index % 3]}q${index}q/f`,
  );
  const found = of(...spread)!;
  expect(found.is.length + found.under.length + found.matches.length).toBeLessThanOrEqual(48);
});
