import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { type VerbName, verbs } from "../../src/cli/entry/verbs.ts";
import { readyPolicies } from "../../src/cli/policy/arguments.ts";
import { engineNames } from "../../src/engines/registry.ts";
import { updating } from "../support/golden.ts";
import { patience } from "../support/patience.ts";
import { folderOf, portcullis } from "./harness.ts";

const names = Object.keys(verbs) as VerbName[];

test.each(names)("%s has a complete page", async (name) => {
  const verb = await verbs[name].load();
  expect(verb.name).toBe(name);
  const { status, out, err } = await portcullis(name, "--help");
  expect({ status, err }).toEqual({ status: 0, err: "" });
  for (const section of ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES"]) {
    expect(out).toContain(`${section}\n`);
  }
  for (const option of Object.keys(verb.options)) expect(out).toContain(`--${option}`);
  expect(verb.exit.length).toBeGreaterThan(1);
  // Lines with more indentation are code, and are not wrapped.
  for (const line of out.split("\n")) if (!/^ {6}/.test(line)) expect(line.length).toBeLessThanOrEqual(80);
});

test("help without a verb lists them all", async () => {
  for (const argv of [["help"], ["--help"], ["-h"]]) {
    const { status, out } = await portcullis(...argv);
    expect(status).toBe(0);
    for (const name of names) expect(out).toContain(`  ${name}`);
  }
  expect((await portcullis()).status).toBe(125);
});

test("docs/cli.md has the help pages", async () => {
  const file = "docs/cli.md";
  const mark = "<!-- `make goldens` writes the rest of this page. -->\n";
  const [before, after] = readFileSync(file, "utf8").split(mark);
  const pages = ["", ...names].map(async (name) => {
    const { out } = await portcullis("help", ...(name === "" ? [] : [name]));
    return `\n## ${name === "" ? "portcullis" : `portcullis ${name}`}\n\n\`\`\`text\n${out}\`\`\`\n`;
  });
  const wanted = (await Promise.all(pages)).join("");
  if (updating) writeFileSync(file, `${before}${mark}${wanted}`);
  else expect(after).toBe(wanted);
});

test("no page and no document makes a reader's file that has a ready policy's name", () => {
  const pages = ["docs/cli.md", "docs/propose.md", "docs/deployment.md", "README.md"].map((file) =>
    readFileSync(file, "utf8"),
  );
  const shown = pages.flatMap((text) => text.match(/(?<=\$ |^)(?:bin\/|npx )?portcullis .*/gm) ?? []);
  expect(shown.length).toBeGreaterThan(60);
  const isTaken = new RegExp(String.raw`[ =](?:${readyPolicies.join("|")})\.(?:ts|json)\b`);
  expect(shown.filter((line) => isTaken.test(line))).toEqual([]);
});

test("the version is the package's", async () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  expect((await portcullis("--version")).out).toBe(`portcullis ${version}\n`);
});

test.each([
  [["chekc", "x.ts"], "write portcullis check"],
  [["help", "simulat"], "write portcullis help simulate"],
  [["run", "--polcy", "x", "--", "true"], "write --policy"],
  [["run", "--timeout", "--", "true"], "--timeout"],
  [["run", "-p", "exec-once"], "portcullis run -p POLICY -- COMMAND"],
  [["run", "true"], "portcullis run -p POLICY -- COMMAND"],
  [["run", "exec-once", "--", "ls"], "help: portcullis run -p exec-once -- ls\n"],
  [["run", "./my.ts", "sh", "-c", "echo it's"], "help: portcullis run -p ./my.ts -- sh -c 'echo it'\\''s'\n"],
  [["run", "exec-once"], "help: portcullis run -p exec-once -- COMMAND\n"],
  [["run", "-p", "children", "--most=4", "--", "true"], "write --set most=4 for a parameter of the policy"],
  [["check", "children", "--sett=4"], "write --set, or write --set sett=4 for a parameter of the policy"],
  [["top", "--most=4"], "portcullis help top lists them"],
  [["check", "connect-hosts", "--set", "hosts=1.2.3.4:443"], "write 1.2.3.4; the port is a parameter of its own"],
  [["check", "connect-hosts", "--set", "hosts=[::1]:443"], "--set port=443"],
  [["trace", "count", "x"], "write portcullis trace stat\n"],
  [["run", "-p", "exec-onec", "true"], "write exec-once"],
  [["run", "-p", "npm-worm", "true"], "write against/npm-worm"],
  [["run", "-p", "exec-once", "--engine", "ptrace", "true"], `--engine ${engineNames.join(" or ")}`],
  [["run", "-p", "exec-once", "--events", "fd:x", "true"], "fd:3"],
  [["run", "-p", "exec-once", "--events", "fd:977", "true"], "not open"],
  [["run", "-p", "exec-once", "--timeout", "soon", "true"], "30s"],
  [["run", "-p", "exec-once", "--set", "x", "true"], "--set NAME=VALUE"],
  [["check"], "portcullis check POLICY"],
  [["check", "--json=yes", "x"], "takes no value"],
  [["check", "-p", "a", "-p", "b"], "given 2 times"],
  [["check", "--architecture", "mips", "exec-once"], "x86_64 or aarch64"],
  [["explain", "exec-once", "more"], '"more"'],
  [["why", "exec-once"], "portcullis why"],
  [["why", "exec-once", "lissten(4)"], "write listen"],
  [["why", "exec-once", "listen(4"], "write it as strace does"],
  [["why", "exec-once", "listen(4, O_CREAT)"], "has no named constants, and O_CREAT is one of another argument\n"],
  [["why", "exec-once", "listen(4, O_CREAT)"], "help: write the number, if it is meant: 64\n"],
  [["simulate", "exec-once"], "portcullis simulate POLICY TRACE"],
  [
    ["simulate", "--compiled", "foo", "exec-once", "t"],
    "P0907: --compiled foo is not one of its values\n  help: write one of interpreter, wasm",
  ],
  [["test"], "portcullis test POLICY"],
  [["test", "nowhere.cases"], "there is no policy beside"],
  [["completion", "tcsh"], "bash, zsh or fish"],
  [["flow"], "portcullis flow TRACE"],
  [["-p", "x"], "portcullis run"],
])("%j ends with 125 and the way out", async (argv, expected) => {
  const { status, out, err } = await portcullis(...argv);
  expect(status).toBe(125);
  expect(out).toBe("");
  expect(err).toMatch(/^(?:.+:\d+:\d+: )?error P\d{4}: /);
  expect(err).toContain(expected);
});

test.each([
  ["127.0.0.1", "sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(HOST)", "127.0.0.2"],
  [
    "10.0.0.0/8,::1",
    "sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, HOST, &sin6_addr), sin6_scope_id=0",
    "::2",
  ],
])("--set hosts=%s: an address without a prefix is this one address", async (hosts, form, other) => {
  const verdict = async (host: string) => {
    const call = `connect(3, {${form.replace("HOST", JSON.stringify(host))}}, 28)`;
    const { out } = await portcullis("why", "connect-hosts", "--set", `hosts=${hosts}`, call);
    return / 28\): (\w+)/.exec(out)?.[1];
  };
  expect(await verdict(hosts.split(",").at(-1)!)).toBe("allow");
  expect(await verdict(other)).toBe("deny");
});

test("the pages say the unit of a time without one", async () => {
  for (const verb of ["run", "trace"]) {
    expect((await portcullis("help", verb)).out.replace(/\s+/g, " ")).toContain("a number without a unit is seconds");
  }
});

test("options end at the first word that is not an option", async () => {
  // `--help` belongs to the command, so the policy is read.
  const { status, err } = await portcullis("run", "-p", "nowhere.ts", "ls", "--help");
  expect(status).toBe(125);
  expect(err).toContain("nowhere.ts");
});

test.each([
  ["bash", ["-n"]],
  ["zsh", ["-n"]],
  ["fish", ["-n"]],
] as const)("completions for %s are a script of that shell", async (shell, check) => {
  const { status, out } = await portcullis("completion", shell);
  expect(status).toBe(0);
  for (const name of names) expect(out).toContain(name);
  const folder = folderOf({ script: out });
  const run = spawnSync(shell, [...check, `${folder}/script`], { encoding: "utf8" });
  expect(run.error).toBeUndefined();
  expect(run.stderr).toBe("");
});

/** The scripts of completions ask the command of the line for the parameters of a policy. */
const withPortcullis = { ...process.env, PATH: `${resolve("bin")}:${process.env["PATH"]}` };

test("completion parameters prints those of the policy of a line", async () => {
  const own = `import { allow, deny, parameter, policy } from "portcullis";
const roots = parameter.paths("roots");
const strict = parameter.flag("strict", { default: true });
const broken = cidr("x");
export default policy((call) => (strict && call.name === "open" ? deny("EPERM") : allow));
`;
  const file = join(folderOf({ "own.ts": own }), "own.ts");
  const parameters = async (...line: string[]) => {
    const { status, out } = await portcullis("completion", "parameters", "--", ...line);
    return status === 0 ? out : status;
  };
  const found = `roots=\tpaths, must be set\nstrict=true\tflag, true by default\nstrict=false\tflag, true by default\n`;
  for (const line of [
    ["run", "-p", file, "--set", "x"],
    ["run", `--policy=${file}`, "-s", "x", "--", "check", "children"],
    ["run", "--policy", "=", file, "--set", "roots", "=", "x"],
    ["run", "--set", "x", "-p", file],
    ["check", "--set", "x", file],
    ["why", file, "-s", "x"],
  ])
    expect({ line, out: await parameters(...line) }).toEqual({ line, out: found });
  expect(await parameters("explain", "children", "--set", "x")).toContain("most=\tinteger, 16 by default\n");
  for (const line of [[], ["run"], ["run", "check", "-p", file], ["doctor", file], ["nothing", file]])
    expect({ line, out: await parameters(...line) }).toEqual({ line, out: "" });
  expect(await parameters("check", join(file, "none"))).toBe(125);
});

test("bash completes verbs, options, values, and then the command's words", async () => {
  const folder = folderOf({ script: (await portcullis("completion", "bash")).out });
  const complete = (...words: string[]) =>
    spawnSync(
      "bash",
      [
        "--norc",
        "-c",
        `. ${folder}/script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _portcullis; printf '%s\\n' "\${COMPREPLY[@]}"`,
        "bash",
        ...words,
      ],
      { encoding: "utf8", env: withPortcullis },
    )
      .stdout.trim()
      .split("\n");
  expect(complete("portcullis", "ex")).toEqual(["explain", "export"]);
  expect(complete("portcullis", "run", "--eng")).toEqual(["--engine"]);
  expect(complete("portcullis", "run", "--engine", "")).toEqual(["auto", ...engineNames]);
  expect(complete("portcullis", "run", "-p", "x", "--", "mkfif")).toContain("mkfifo");
  expect(complete("portcullis", "run", "-p", "x", "ls", `${folder}/scr`)).toEqual([`${folder}/script`]);
  expect(complete("portcullis", "run", "--engine", "=", "no")).toEqual(["notify"]);
  expect(complete("portcullis", "run", "--engine", "=")).toEqual(["auto", ...engineNames]);
  // A policy is a file or a ready one.
  writeFileSync(join(folder, "my own policy.ts"), "");
  for (const before of [
    ["run", "-p"],
    ["run", "--policy", "="],
    ["check"],
    ["check", "-p"],
    ["test"],
    ["compile", "-p"],
  ]) {
    expect(complete("portcullis", ...before, "ngi")).toEqual(["nginx"]);
    expect(complete("portcullis", ...before, `${folder}/my`)).toEqual([`${folder}/my own policy.ts`]);
  }
  expect(complete("portcullis", "run", "-p", "")).toEqual(expect.arrayContaining([...readyPolicies, "README.md"]));
  expect(complete("portcullis", "flow", "ngi")).toEqual([""]);
  // Parameters of the policy of the line; bash has split the words at each =.
  for (const before of [
    ["run", "-p", "connect-hosts", "--set"],
    ["run", "--policy", "=", "connect-hosts", "-s"],
    ["run", "-p", "connect-hosts", "--set", "port", "=", "443", "-s"],
    ["check", "connect-hosts", "--set", "="],
  ])
    expect(complete("portcullis", ...before, "p")).toEqual(["port="]);
  expect(complete("portcullis", "why", "connect-hosts", "--set", "datagrams", "=")).toEqual(["true", "false"]);
  expect(complete("portcullis", "why", "connect-hosts", "--set", "datagrams", "=", "t")).toEqual(["true"]);
  expect(complete("portcullis", "why", "connect-hosts", "--set", "=", "datagrams", "=", "t")).toEqual(["true"]);
  expect(complete("portcullis", "run", "-p", "children", "--set", "most", "=", "4", "--eng")).toEqual(["--engine"]);
  writeFileSync(join(folder, "my own policy.ts"), readFileSync("policies/children.ts"));
  expect(complete("portcullis", "check", `${folder}/my\\ own\\ policy.ts`, "--set", "mo")).toEqual(["most="]);
  expect(complete("portcullis", "run", "-p", "exec-only", "-s", "programs", "=", `${folder}/scr`)).toEqual([
    `${folder}/script`,
  ]);
  expect(complete("portcullis", "check", "nowhere.ts", "--set", "mo")).toEqual([""]);
});

test("fish completes verbs, options, values and policies", async () => {
  const folder = folderOf({ script: (await portcullis("completion", "fish")).out, "nginx of mine.ts": "" });
  const complete = (line: string) => {
    const script = "source $argv[1]; cd (dirname $argv[1]); complete -C $argv[2]";
    const ran = spawnSync("fish", ["--no-config", "-c", script, join(folder, "script"), line], {
      encoding: "utf8",
      env: withPortcullis,
    });
    expect(ran.stderr).toBe("");
    return ran.stdout
      .split("\n")
      .filter(Boolean)
      .map((each) => each.split("\t")[0]);
  };
  expect(complete("portcullis expl")).toEqual(["explain"]);
  expect(complete("portcullis run --engine no")).toEqual(["notify"]);
  for (const before of ["run -p ", "run --policy=", "check ", "why "]) {
    const found = complete(`portcullis ${before}ngi`);
    expect(found).toHaveLength(2);
    expect(found.filter((each) => each?.endsWith("nginx"))).toHaveLength(1);
    expect(found.filter((each) => each?.endsWith("mine.ts"))).toHaveLength(1);
  }
  expect(complete("portcullis flow exec-o")).toEqual([]);
  expect(complete("portcullis run -p connect-hosts --set po")).toEqual(["port="]);
  expect(complete("portcullis check connect-hosts --set=datagrams=t")).toEqual(["--set=datagrams=true"]);
  // The value can be a path.
  expect(complete("portcullis check connect-hosts --set=datagrams=")).toEqual(
    expect.arrayContaining(["--set=datagrams=true", "--set=datagrams=false", "--set=datagrams=script"]),
  );
});

test("zsh completes verbs, options, values and policies", async () => {
  const folder = folderOf({ _portcullis: (await portcullis("completion", "zsh")).out, "my-own.ts": "" });
  // An interactive shell in its own terminal, where a function prints the completed line between < and >, which do not
  // occur in the input.
  const script = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= PROMPT_SP= ; cd $1; fpath=($1 \\$fpath); autoload -Uz compinit; compinit -u -D; portcullis() { printf '\\\\074%s\\\\076\\\\n' \\"\\$*\\" }"
shift
for line; do
  zpty -w shell "portcullis $line"$'\\t'
  zpty -r shell answer $'*<*>*' || exit 1
  answer=\${answer##*<}
  print -r -- \${answer%%>*}
done
zpty -d shell`;
  const complete = (...lines: string[]) => {
    const ran = spawnSync("zsh", ["-f", "-c", script, "zsh", folder, ...lines], {
      encoding: "utf8",
      timeout: patience.command,
      env: withPortcullis,
    });
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    return ran.stdout
      .trimEnd()
      .split("\n")
      .map((each) => each.trimEnd());
  };
  expect(complete("expl", "run --engine not", "run -p ngi", "check fork-r", "run --policy=ord", "check my-o")).toEqual([
    "explain",
    "run --engine notify",
    "run -p nginx",
    "check fork-rate",
    "run --policy=order",
    "check my-own.ts",
  ]);
  expect(
    complete(
      "run -p connect-hosts --set po",
      "check connect-hosts --set=datagrams=t",
      "check connect-hosts -s datagrams=f",
      "run -p exec-only -s programs=my-o",
    ),
  ).toEqual([
    "run -p connect-hosts --set port=",
    "check connect-hosts --set=datagrams=true",
    "check connect-hosts -s datagrams=false",
    "run -p exec-only -s programs=my-own.ts",
  ]);
});
