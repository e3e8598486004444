import { describe, expect, it } from "vitest";
import { isBelow, placeOf } from "./places.ts";

describe("placeOf", () => {
  const npm = { npm_config_local_prefix: "/home/me/app" };

  it.for([
    ["/home/me/app/node_modules/esbuild", "esbuild", "/home/me/app/portcullis-scripts.json"],
    ["/home/me/app/node_modules/@a/b", "@a/b", "/home/me/app/portcullis-scripts.json"],
    // What a package has brought with it is not the package of this name.
    [
      "/home/me/app/node_modules/a/node_modules/esbuild",
      "a/node_modules/esbuild",
      "/home/me/app/portcullis-scripts.json",
    ],
    [
      "/home/me/app/node_modules/.pnpm/esbuild@0.25.0/node_modules/esbuild",
      "esbuild",
      "/home/me/app/portcullis-scripts.json",
    ],
    [
      "/home/me/app/node_modules/.pnpm/a@1.0.0/node_modules/a/node_modules/esbuild",
      "a/node_modules/esbuild",
      "/home/me/app/portcullis-scripts.json",
    ],
    ["/usr/lib/node_modules/esbuild", "esbuild", "/usr/lib/portcullis-scripts.json"],
    ["/home/me/other", "../other", "/home/me/app/portcullis-scripts.json"],
    ["/home/me/app", ".", "/home/me/app/portcullis-scripts.json"],
  ] as const)("names %s by its place: %s", ([folder, name, exceptions]) => {
    expect(placeOf(folder, npm)).toMatchObject({ folder, name, exceptions });
  });

  it("trusts no file in a dependency from git, and one that the user names", () => {
    const preparing = { ...npm, _PACOTE_NO_PREPARE_: "git+ssh://x" };
    expect(placeOf("/home/me/.npm/_cacache/tmp/x", preparing).exceptions).toBeUndefined();
    expect(placeOf("/x/node_modules/a", { ...preparing, PORTCULLIS_SCRIPTS: "/e.json" }).exceptions).toBe("/e.json");
    expect(() => placeOf("/x/node_modules/a", { PORTCULLIS_SCRIPTS: "e.json" })).toThrow("no absolute path");
    expect(placeOf("/somewhere", {})).toMatchObject({ name: "/somewhere", exceptions: undefined });
  });
});

it("isBelow compares whole names", () => {
  expect(["/a", "/a/b", "/ab"].map((path) => isBelow(path, "/a"))).toEqual([true, true, false]);
  expect(isBelow("/a", "/")).toBe(true);
});
