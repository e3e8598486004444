/** Prints the declarations of a proposal about files, ports and Unix sockets, and the statement about them. */
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { runtimeFiles } from "../../ir/runtime-files.ts";
import { comment, list } from "../layout.ts";
import type { Declarations } from "../proposal.ts";
import { type Entry, entriesOf, type FileEntries, proposedLists } from "./entries.ts";
import type { Machine } from "./machine.ts";
import type { Gap, ObjectUses } from "./uses.ts";

const rule =
  "A recorded file stands for itself, and a name that was made, renamed or removed for its directory. More than three entries below a directory become that directory (docs/propose.md has the exceptions).";

/** Landlock has no ranges of ports. */
const mostPorts = 32;
/** Linux assigns the ports from here on by itself (net.ipv4.ip_local_port_range). */
const firstEphemeral = 32_768;

const gapTexts: { readonly [G in Gap]: string } = {
  memory: "without the memory of their paths or addresses: record with memory",
  flags: "whose flags are unknown, as in strace's output: use portcullis record",
  directory: "with a path relative to an unknown directory",
  result: "without a result, which count if they can succeed here: the recorder tracefs has results",
  command: "whose program is unknown, which files.execute then lacks",
  mount: "which Landlock refuses to every confined process: the policy refuses them, too",
};

export function declarationsOf(uses: ObjectUses, machine: Machine): Declarations {
  const files = entriesOf(uses, machine);
  const ports = { bind: portsOf(uses.bind, false), connect: portsOf(uses.connect, true) };
  const hasNetwork = uses.bind.size + uses.connect.size + uses.sockets.size > 0;
  const hasTcp = hasNetwork && (ports.bind !== undefined || ports.connect !== undefined);
  const sockets = [...uses.sockets.keys()].sort();
  const hasUnix = sockets.length > 0 && !uses.hasDatagrams;
  const constants = new Map<string, readonly string[]>([["files", filesLines(files)]]);
  if (hasTcp) constants.set("tcp", tcpLines(ports));
  if (hasUnix) constants.set("unix", unixLines(uses.sockets));
  const gaps = [...uses.gaps];
  const statement = [
    "",
    `files: ${proposedLists.map((name) => `${files.lists[name].length} of ${name}`).join(", ")}, and those of files.runtime`,
    ...proposedLists.flatMap((name) =>
      files.lists[name].flatMap((entry) => (entry.why === undefined ? [] : [`  ${name} ${entry.path}: ${entry.why}`])),
    ),
    ...proposedLists.flatMap((name) =>
      files.leftOut[name].map((entry) => `  left out: ${name} ${entry.path}, for ${entry.example}: ${entry.why}`),
    ),
    ...[...files.missing, ...(hasUnix ? sockets.filter((path) => machine.kind(path) === undefined) : [])].map(
      (path) => `  missing here, and the policy starts nothing without it: ${path}`,
    ),
    ...(hasTcp ? [`ports: bind ${portsText(ports.bind)}; connect ${portsText(ports.connect)}`] : []),
    ...(sockets.length > 0
      ? [
          `Unix sockets: ${sockets.join(", ")}${hasUnix ? "" : "; not declared, because Linux before 7.1 then permits neither datagrams to Unix sockets nor sendmmsg"}`,
        ]
      : []),
    ...(gaps.length > 0 ? ["the recordings have calls"] : []),
    ...gaps.map(
      ([gap, { count, example }]) => `  ${gapTexts[gap]}: ${count.toLocaleString("en-US")}, such as ${example}`,
    ),
  ];
  const figures = {
    files: { ...files.lists, leftOut: files.leftOut, missing: files.missing },
    tcp: hasTcp ? ports : undefined,
    unix: hasUnix ? { connect: sockets } : undefined,
    unknown: gaps.map(([gap, found]) => ({ is: gap, ...found })),
  };
  return { constants, statement, figures, both: readAndWritten(files) };
}

/** The paths at or below which files can be both read and written, without devices and /proc, which are not mapped executable. */
function readAndWritten({ lists }: FileEntries): string[] {
  const paths = (name: "read" | "write") => [...lists[name].map(({ path }) => path), ...(runtimeFiles[name] ?? [])];
  const contains = (directory: string, path: string) => path === directory || path.startsWith(`${directory}/`);
  const [read, written] = [paths("read"), paths("write").filter((path) => !/^\/(?:dev|proc)\//.test(path))];
  return [
    ...written.filter((path) => read.some((other) => contains(other, path))),
    ...read.filter((path) => written.some((other) => other !== path && contains(other, path))),
  ].sort();
}

/** Undefined if no list can have them. */
function portsOf(recorded: ReadonlyMap<number, number>, isConnect: boolean): readonly number[] | undefined {
  const ports = [...recorded.keys()].sort((a, b) => a - b);
  const hasEphemeral = isConnect && ports.filter((port) => port >= firstEphemeral).length > 1;
  return ports.length > mostPorts || hasEphemeral ? undefined : ports;
}

function portsText(ports: readonly number[] | undefined): string {
  return ports === undefined ? "any, because the ports change" : ports.join(", ") || "none";
}

function filesLines({ lists, leftOut }: FileEntries): string[] {
  const lines = [...comment(0, "//", rule), "const files = {"];
  for (const name of proposedLists) {
    const entries = [...lists[name].map(entryLine), ...leftOut[name].map(leftOutLine)];
    lines.push(
      ...(entries.length === 0 ? [`  ${name}: [],`] : [`  ${name}: [`, ...entries.map((one) => `    ${one}`), "  ],"]),
    );
  }
  return [...lines, "  runtime: true,", "};"];
}

function entryLine({ path, paths, example, why }: Entry): string {
  const count = `${paths.toLocaleString("en-US")} path${paths === 1 ? "" : "s"}`;
  const text = paths === 1 && example === path ? count : `${count}, such as ${safeText(example)}`;
  return `${jsonText(path)}, // ${text}${why === undefined ? "" : `; ${safeText(why)}`}`;
}

function leftOutLine(entry: Entry): string {
  return `// Left out: ${entryLine(entry).replace(", // ", ": ")}`;
}

function tcpLines(ports: { readonly [Name in "bind" | "connect"]: readonly number[] | undefined }): string[] {
  const names = ["bind", "connect"] as const;
  const known = names.filter((name) => ports[name] !== undefined);
  const open = names.filter((name) => ports[name] === undefined);
  const texts = (name: (typeof names)[number]) => ports[name]!.map((port) => `${port}n`);
  const about = open.map((name) => ` The ports of ${name} change, so any is permitted.`).join("");
  const head = comment(0, "//", `The recorded TCP ports.${about}`);
  const flat = `const tcp = { ${known.map((name) => `${name}: [${texts(name).join(", ")}]`).join(", ")} };`;
  if (flat.length <= 120) return [...head, flat];
  const lines = known.flatMap((name) => {
    const printed = list(2, `${name}: `, texts(name), ",", ["[", "]"]);
    return printed;
  });
  return [...head, "const tcp = {", ...lines, "};"];
}

function unixLines(sockets: ReadonlyMap<string, number>): string[] {
  const paths = [...sockets].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    "// The Unix sockets to which the program connects.",
    "const unix = {",
    "  connect: [",
    ...paths.map(
      ([path, count]) =>
        `    ${jsonText(path)}, // ${count.toLocaleString("en-US")} connection${count === 1 ? "" : "s"}`,
    ),
    "  ],",
    "};",
  ];
}
