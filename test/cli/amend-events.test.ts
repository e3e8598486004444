/** Tests `portcullis amend` with the events of real runs, between which the policy changes. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { patience } from "../support/patience.ts";
import { folderOf, type Outcome, portcullis } from "./harness.ts";

const program = resolve("bin/portcullis");

// A stateless line refuses the first call, a line that a flag turns on the second, and portcullis a third without a line.
const policy = `import { allow, calls, deny, perTree, policy, report } from "portcullis";

const moved = perTree.flag();
export default policy((call) => {
  if (calls("chdir", "fchdir").has(call)) {
    moved.set(true);
    report("moved");
  }
  if (calls("mkdir", "mkdirat").has(call)) return deny("EROFS", "no directory");
  if (calls("rmdir", "unlinkat").has(call) && moved.get()) return deny("EACCES", "moved");
  return allow;
});
`;
const script = "mkdir -p new; cd .; rmdir new; true";

interface Line {
  readonly kind: string;
  readonly call?: string;
  readonly digest?: string;
}

/** Runs the script under the policy, and appends to the events. */
function run(folder: string, ...words: readonly string[]): readonly Line[] {
  return runScript(folder, script, ...words);
}

function runScript(folder: string, script: string, ...words: readonly string[]): readonly Line[] {
  if (!existsSync("dist/cli.cjs")) throw new Error("dist/ is missing: run make build first");
  const argv = ["run", "--engine", "notify", "--events", "e.jsonl", ...words, "-p", "p.ts", "--", "sh", "-c", script];
  const ran = spawnSync(program, argv, {
    ...{ cwd: folder, encoding: "utf8", timeout: patience.command },
    env: { ...process.env, XDG_CACHE_HOME: join(folder, "cache") },
  });
  expect(ran, ran.stderr).toMatchObject({ status: 0 });
  return linesOf(folder);
}

function linesOf(folder: string): readonly Line[] {
  const text = readFileSync(join(folder, "e.jsonl"), "utf8").trim();
  return text.split("\n").map((line) => JSON.parse(line) as Line);
}

function amend(folder: string, ...words: readonly string[]): Promise<Outcome> {
  return portcullis("amend", ...words, join(folder, "p.ts"), join(folder, "e.jsonl"));
}

function digestOf(lines: readonly Line[]): string {
  const digests = new Set(lines.map(({ digest }) => digest));
  expect(digests.size).toBe(1);
  return [...digests][0]!;
}

it("knows the runs of the present text, also from the cache and with parameters", async () => {
  const folder = folderOf({ "p.ts": policy });
  const lines = [run(folder), run(folder), run(folder, "--audit")].at(-1)!;
  expect(new Set(lines.map(({ kind }) => kind))).toEqual(new Set(["decision", "report"]));
  expect(digestOf(lines)).toMatch(/^sha256:[0-9a-f]{64}$/);
  const { out, err } = await amend(folder);
  expect(err).not.toContain("another version");
  expect(out).toMatch(/^1 of 2 [\s\S]*^2 of 2 /m);
  expect(out.match(/^ {2}change/gm)).toHaveLength(2);
});

it("judges the calls of an earlier text by the present one, and does not believe its lines", async () => {
  const folder = folderOf({ "p.ts": policy });
  const earlier = digestOf(run(folder));
  // Each line moves by one, and the line of the flag is now another's.
  writeFileSync(join(folder, "p.ts"), policy.replace("const moved", "// A comment.\nconst moved"));
  const lines = run(folder);
  const count = lines.filter(({ kind, digest }) => kind === "decision" && digest === earlier).length;
  const present = digestOf(lines.filter(({ digest }) => digest !== earlier));
  const { status, err } = await amend(folder, "--accept", "all");
  expect(err).toContain(
    `${count} refused calls of another version of ${join(folder, "p.ts")} (${earlier}) than the present one (${present}): they are judged by the present one, and the lines of their events are not used\n`,
  );
  expect(status).toBe(1); // of the earlier text, nothing shows that the flag was set
  const text = readFileSync(join(folder, "p.ts"), "utf8");
  expect(text).toContain("rmdir");
  // What is amended is allowed, whichever text has refused it.
  const next = await amend(folder);
  expect(next.err).toContain("the policy allows already");
  expect(run(folder).filter(({ digest }) => digest !== earlier && digest !== present)).toEqual([
    expect.objectContaining({ kind: "report" }),
  ]);
});

it("reads events without digests, which earlier versions of portcullis have written", async () => {
  const folder = folderOf({ "p.ts": policy });
  const old = run(folder).map(({ digest: _, ...rest }) => `${JSON.stringify(rest)}\n`);
  writeFileSync(join(folder, "e.jsonl"), old.join(""));
  const { status, err } = await amend(folder, "--accept", "all");
  expect({ status, err }).toMatchObject({ status: 0, err: expect.stringContaining("2 changes in") });
  expect(err).not.toContain("another version");
});

it("takes other parameters for another version", async () => {
  const folder = folderOf({
    "p.ts": policy
      .replace("const moved", 'const why = parameter.text("why", { default: "no directory" });\nconst moved')
      .replace("report }", "parameter, report }")
      .replace('"EROFS", "no directory"', '"EROFS", why'),
  });
  run(folder, "--set", "why=never");
  expect((await amend(folder)).err).toContain("another version");
  expect((await amend(folder, "--set", "why=never")).err).not.toContain("another version");
});

it("widens no list by paths that a hostile program has chosen", async () => {
  const lists = `import { allow, calls, deny, parameter, policy } from "portcullis";
const below = parameter.paths("below", { default: ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc", "/dev"] });
const exactly = parameter.texts("exactly", { default: ["/etc/hostname"] });
export default policy((call) => {
  if (!calls("open", "openat").has(call)) return allow;
  const { text } = call.args.path;
  return text.under(...below) || text.matches(...exactly) ? allow : deny("EACCES", "not listed");
});
`;
  const folder = folderOf({ "p.ts": lists });
  writeFileSync(join(folder, "file"), "");
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const paths = [
    "/",
    "/etc",
    "/**",
    "/etc/*",
    '/x"], more: ["/',
    "/a\nb",
    "/,/etc",
    "/etc/{shadow,hosts}",
    "/..",
    join(folder, "file"),
  ];
  runScript(folder, `for file in ${paths.map(quote).join(" ")}; do cat "$file"; done; true`, "--audit");
  const { status, err } = await amend(folder, "--accept", "all");
  expect([0, 1], err).toContain(status);
  const text = readFileSync(join(folder, "p.ts"), "utf8");
  // One rule for these paths alone.
  for (const line of lists.split("\n").filter((one) => one.includes("default"))) expect(text).toContain(`${line}\n`);
  for (const other of ["/etc/shadow", "/root/x", "/x", join(folder, "p.ts")]) {
    const asked = await portcullis("why", join(folder, "p.ts"), `openat(AT_FDCWD, "${other}", O_RDONLY)`);
    expect(asked, asked.out).toMatchObject({ status: 1 });
  }
});

it("adds a file to the list that permits files by their folders", async () => {
  const lists = `import { allow, calls, deny, parameter, policy } from "portcullis";
const below = parameter.paths("below", { default: ["/usr", "/lib", "/lib64", "/etc", "/proc", "/dev"] });
export default policy((call) =>
  !calls("open", "openat").has(call) || call.args.path.text.under(...below) ? allow : deny("EACCES", "not listed"),
);
`;
  const folder = folderOf({ "p.ts": lists, file: "content\n" });
  const words = `cat ${join(folder, "file")}; true`;
  const before = runScript(folder, words, "--audit");
  const { status, err } = await amend(folder, "--accept", "all");
  expect({ status, err }).toMatchObject({ status: 0 });
  const changed = lists.replace('"/dev"]', `"/dev", "${join(folder, "file")}"]`);
  expect(readFileSync(join(folder, "p.ts"), "utf8")).toBe(changed);
  expect(runScript(folder, words)).toEqual(before); // nothing more is refused
});
