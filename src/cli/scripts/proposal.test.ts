import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { portcullisWith } from "../../../test/cli/harness.ts";
import { type Exceptions, readExceptions } from "./exceptions.ts";
import { storeFailure } from "./failures.ts";
import { withEntries } from "./proposal.ts";
import { makeRooms } from "./rooms.ts";

describe("withEntries", () => {
  const entries = new Map<string, Exceptions>([
    ["b", { execute: ["bin"], seconds: 5 }],
    ["c", { hosts: [] }],
  ]);

  it.for([
    ["{}", '{\n  "b": { "execute": ["bin"], "seconds": 5 },\n  "c": { "hosts": [] }\n}'],
    ['{"a":"skip"}', '{"a":"skip",\n  "b": { "execute": ["bin"], "seconds": 5 },\n  "c": { "hosts": [] }\n}'],
    [
      '{\n  "c": {},\n\n  "b":  { "seconds": 1 },\n  "d": {}\n}\n',
      '{\n  "c": { "hosts": [] },\n\n  "b":  { "execute": ["bin"], "seconds": 5 },\n  "d": {}\n}\n',
    ],
  ])("changes entries, adds new ones and leaves all else: %s", ([text, changed]) => {
    expect(withEntries(text!, entries)).toBe(changed);
  });

  it("reads as the entries before with the new ones", () => {
    const texts = fc.array(fc.string({ unit: "binary", minLength: 1 }).filter((one) => !/[,\0]/.test(one)));
    const exceptions = fc.record({ execute: texts, seconds: fc.integer({ min: 1, max: 9 }) }, { requiredKeys: [] });
    const some = fc.dictionary(fc.string({ unit: "binary" }), exceptions, { noNullPrototype: true, maxKeys: 4 });
    fc.assert(
      fc.property(some, some, fc.nat(3), (before, added, indent) => {
        const text = withEntries(JSON.stringify(before, undefined, indent), new Map(Object.entries(added)));
        const expected = new Map(Object.entries({ ...before, ...added }));
        expect(readExceptions(text, "f.json")).toEqual(expected);
      }),
    );
  });
});

const outOfTime = '{"name":"a","time":1e300,"exceptions":"/p.json","refused":[],"entry":{}}';

describe("propose --scripts", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "portcullis-exceptions-"));
    file = join(folder, "portcullis-scripts.json");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const environment = () => ({ XDG_CACHE_HOME: join(folder, "cache") });
  const propose = (...words: readonly string[]) => portcullisWith(environment(), "propose", "--scripts", ...words);

  const roomsOf = (name: string) => makeRooms(join(folder, "node_modules", name), { environment: environment() });

  function fail(name: string, entry: Exceptions, exceptions = file): string {
    const rooms = roomsOf(name);
    storeFailure({ name, time: 0, exceptions, refused: [`sh: ${name}`], entry }, rooms);
    return rooms.failure;
  }

  it("prints the file, and writes it with -o", async () => {
    fail("b", { execute: ["bin/b"] });
    fail("a", { seconds: 1200 });
    const printed = await propose("-o", file);
    expect(printed).toMatchObject({ status: 0, out: "" });
    expect(printed.err).toMatch(
      /^a, failed 1970-01-01 00:00 UTC: \{ "seconds": 1200 \}\n {2}refused: sh: a\nb, failed 1970-01-01 00:00 UTC: \{ "execute": \["bin\/b"\] \}\n/,
    );
    expect(readFileSync(file, "utf8")).toBe('{\n  "a": { "seconds": 1200 },\n  "b": { "execute": ["bin/b"] }\n}\n');
    expect(await propose("-o", file)).toMatchObject({ status: 1, out: "" });
  });

  it("keeps what the file has, also of what was added since", async () => {
    fail("a", { execute: ["x"], hosts: [] });
    fail("b", { execute: ["x"] });
    fail("c", { execute: ["x"] });
    writeFileSync(file, '{ "a": { "execute": ["y"], "seconds": 7 }, "b": "skip", "c": "deny", "*": {} }');
    expect(await propose("-q", "-o", file)).toEqual({ status: 0, out: "", err: "" });
    const text = '{ "a": { "execute": ["y", "x"], "seconds": 7, "hosts": [] }, "b": "skip", "c": "deny", "*": {} }';
    expect(readFileSync(file, "utf8")).toBe(text);
  });

  it("does not take the failures of other projects", async () => {
    fail("a", { execute: ["x"] }, join(folder, "other/portcullis-scripts.json"));
    expect((await propose("-o", file)).status).toBe(1);
    expect(existsSync(file)).toBe(false);
  });

  it("finds the project by another path", async () => {
    fail("a", { execute: ["x"] });
    symlinkSync(folder, join(folder, "link"));
    const { status, out } = await propose("-o", join(folder, "link/portcullis-scripts.json"));
    expect({ status, out }).toEqual({ status: 0, out: "" });
    expect(existsSync(file)).toBe(true);
  });

  it("forgets a failure when the package has a script again", async () => {
    fail("a", { execute: ["x"] });
    roomsOf("a");
    expect((await propose("-o", file)).status).toBe(1);
  });

  it.for(["", "{", "[]", "null", '{ "name": 1 }', outOfTime])("refuses a damaged failure: %s", async (text) => {
    const failure = fail("a", {});
    writeFileSync(failure, text);
    const { status, err } = await propose("-o", file);
    expect(status).toBe(125);
    expect(err).toContain(`${failure} is not what portcullis-script-shell has written`);
    expect(err).toContain("rm ");
  });

  it("refuses a file with faults, and leaves it", async () => {
    fail("a", { execute: ["x"] });
    writeFileSync(file, '{ "b": { "exec": [] } }');
    const { status, err } = await propose("-o", file);
    expect(status).toBe(125);
    expect(err).toMatch(/portcullis-scripts\.json:1:10/);
    expect(readFileSync(file, "utf8")).toBe('{ "b": { "exec": [] } }');
  });

  it("takes no traces and none of the options for them", async () => {
    expect(await propose("a.trace")).toMatchObject({ status: 125 });
    const { status, err } = await propose("--files", "--detail", "paths");
    expect(status).toBe(125);
    expect(err).toContain("does not take --detail, --files");
  });
});
