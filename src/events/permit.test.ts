import { expect, describe as group, it, test } from "vitest";
import { shellWord } from "../diagnostics/shell-word.ts";
import type { Setting } from "../ir/settings.ts";
import { permitByReason, permitHost, permitMore, permitName, permitPath, permitWithout } from "./permit.ts";

const settings: readonly Setting[] = [
  { name: "write", kind: "paths", value: "", mayBeEmpty: true },
  { name: "read", kind: "paths", value: "/a,/b c", mayBeEmpty: true },
  { name: "protect", kind: "texts", value: ".git/hooks/,.git/config,.npmrc" },
  { name: "ask", kind: "texts", value: "/usr/bin/id,**/{deploy,ship}", mayBeEmpty: true },
  { name: "most", kind: "integer", value: "16", most: "24" },
  { name: "most-of-all", kind: "integer", value: "0", most: "24" },
  { name: "network", kind: "flag", value: "false" },
  { name: "project", kind: "path", value: "/p" },
];
const bytes = (...texts: readonly string[]) => texts.map((text) => Buffer.from(text));

group("a path that a list of paths lacks", () => {
  it.each([
    ["write", "/srv/data", "write=/srv/data"],
    ["read", "/srv/data", "read=/a,/b c,/srv/data"],
    ["read", "/b", "read=/a,/b c,/b"],
    ["write", "/it's $(here) --set x=/y", "write=/it's $(here) --set x=/y"],
    ["write", "/größe/日本", "write=/größe/日本"],
  ])("%s and %j", (name, path, value) => {
    expect(permitPath(settings, name, Buffer.from(path))).toEqual(["--set", value]);
  });

  it.each([
    ["of another kind", "project", "/x"],
    ["of no parameter", "other", "/x"],
    ["below an item, so that it would permit nothing more", "read", "/a/x"],
    ["with a comma", "write", "/a,/etc"],
    ["with a brace, between which commas do not divide", "write", "/{"],
    ["with a line end", "write", "/a\n--set write=/"],
    ["with an escape", "write", "/\x1b[31m"],
    ["with a control of eight bits", "write", "/\u009b31m"],
    ["with a mark of direction", "write", "/\u202e"],
    ["with an invisible character", "write", "/a\u200b"],
    ["with an invisible letter", "write", "/a\u3164"],
    ["with a space of another width", "write", "/a\u00a0b"],
    ["that is not absolute", "write", "a"],
    ["with ..", "write", "/a/../etc"],
    ["that is empty", "write", ""],
  ])("gives nothing for one %s", (_, name, path) => {
    expect(permitPath(settings, name, Buffer.from(path))).toBeUndefined();
  });

  it("gives nothing for bytes that are no UTF-8", () => {
    expect(permitPath(settings, "write", Uint8Array.of(0x2f, 0xff))).toBeUndefined();
  });
});

test("a list without items, if it can be so", () => {
  const item = (setting: string, text: string) => ({ setting, item: text });
  expect(permitWithout(settings, [item("protect", ".npmrc")])).toEqual(["--set", "protect=.git/hooks/,.git/config"]);
  const all = [".git/hooks/", ".git/config", ".npmrc"].map((one) => item("protect", one));
  expect(permitWithout(settings, all)).toBeUndefined();
  expect(permitWithout(settings, [item("protect", "x")])).toBeUndefined();
  expect(permitWithout(settings, [item("protect", ".npmrc"), item("ask", "/usr/bin/id")])).toBeUndefined();
  expect(permitWithout(settings, [])).toBeUndefined();
  expect(permitWithout(undefined, [item("protect", ".npmrc")])).toBeUndefined();
});

test("a larger integer, up to the largest", () => {
  expect(permitMore(settings, "most")).toEqual(["--set", "most=24"]);
  expect(permitMore([{ name: "most", kind: "integer", value: "16" }], "most")).toEqual(["--set", "most=32"]);
  expect(permitMore([{ name: "most", kind: "integer", value: "24", most: "24" }], "most")).toBeUndefined();
  expect(permitMore(settings, "most-of-all")).toBeUndefined();
  expect(permitMore(settings, "write")).toBeUndefined();
});

test("a host as an entry of --hosts", () => {
  expect(permitHost("a.org", 443)).toEqual(["--hosts", "a.org:443"]);
  expect(permitHost("a.org", undefined)).toEqual(["--hosts", "a.org"]);
  expect(permitHost("::1", 80)).toEqual(["--hosts", "[::1]:80"]);
  for (const host of ["a.org,*.org", "*.org", "a\x1b[31m", "a --set write=/", "", "a.org:1", "a\nb"])
    expect(permitHost(host, 443)).toBeUndefined();
});

group("a reason that names the parameter", () => {
  it.each([
    ["run --set network=true", [], "network=true"],
    ["--set network=…", [], "network=true"],
    ["at most --set most=…", [], "most=24"],
    ["of --set ask=…", ["/usr/bin/id"], "ask=**/{deploy,ship}"],
    ["of --set ask=…", ["/x/ship"], "ask=/usr/bin/id"],
    ["not of --set write=…", ["/srv/x"], "write=/srv/x"],
  ] as const)("%s with %j", (reason, texts, value) => {
    expect(permitByReason({ settings }, reason, bytes(...texts))).toEqual(["--set", value]);
  });

  it.each([
    ["", []],
    ["--set other=…", []],
    ["--set network=false", []],
    ["--set ask=…", ["/bin/true"]],
    ["--set write=…", ["/a", "/b"]],
    ["--set write=…", ["/a\n"]],
    ["--set project=…", ["/a"]],
  ] as const)("gives nothing for %j with %j", (reason, texts) => {
    expect(permitByReason({ settings }, reason, bytes(...texts))).toBeUndefined();
  });
});

group("a protected name", () => {
  const from = (item: string) => ({ setting: "protect", item });
  const protectedNames = [
    { folder: ".git", name: "hooks", from: from(".git/hooks/") },
    { folder: ".git", name: "config", from: from(".git/config") },
    { folder: undefined, name: ".npmrc", from: from(".npmrc") },
  ];
  it.each([
    ["protected", ["/p/.git/hooks/pre-commit"], "protect=.git/config,.npmrc"],
    ["protected", ["a/.npmrc"], "protect=.git/hooks/,.git/config"],
    ["guarded", [".git"], "protect=.npmrc"],
    ["guarded", ["x", ".git/config"], "protect=.npmrc"],
    ["protected", ["x", ".git/config"], "protect=.npmrc"],
    ["protected", [".git/config.lock", ".git/config"], "protect=.git/hooks/,.npmrc"],
    ["protected", [".git/config/\n--set write=/"], "protect=.git/hooks/,.npmrc"],
  ] as const)("%s %j", (kind, texts, value) => {
    expect(permitName({ settings, protectedNames }, kind, bytes(...texts))).toEqual(["--set", value]);
  });

  it("gives nothing if no name is known, or one is no item of a parameter", () => {
    expect(permitName({ settings, protectedNames }, "guarded", bytes("/proc/1/fd"))).toBeUndefined();
    const constant = [...protectedNames, { folder: ".git", name: "x", from: undefined }];
    expect(permitName({ settings, protectedNames: constant }, "guarded", bytes(".git"))).toBeUndefined();
    expect(permitName({ settings }, "protected", bytes(".npmrc"))).toBeUndefined();
  });
});

test("words of a shell", () => {
  expect(["write=/srv/x", "write=/it's", "**/x", "", "a b", "$(id)"].map(shellWord)).toEqual([
    ...["write=/srv/x", "'write=/it'\\''s'", "'**/x'", "''", "'a b'", "'$(id)'"],
  ]);
});
