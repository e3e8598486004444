/** What an editor shows of the names of the language, by TypeScript's language server. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Comment, parseSync } from "oxc-parser";
import { afterAll, beforeAll, expect, it } from "vitest";
import { LanguageServer } from "./editor.ts";
import { policyProject } from "./policy-project.ts";

const text = `import { allow, calls, deny, perProcess, policy, tree } from "portcullis";
const forks = perProcess.rate({ limit: 1n, per: "1s" });
const files = calls.open;
export default policy((call) => {
  if (call.name === "openat" && call.args.flags.has("O_CREAT")) return deny("EPERM");
  if (call.name === "mkdir" && call.args.path.text.is("/x")) return deny("EPERM");
  if (call.name === "connect" && call.args.addr.kind === "ip") return deny("EPERM");
  if (files.has(call)) return deny("EPERM");
  return tree.alive() > 3n && !forks.take() ? deny("EAGAIN") : allow;
});
`;

let folder = "";
let server: LanguageServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-hovers-"));
  policyProject(folder, [["policy", text]], {});
  server = await LanguageServer.start(folder);
  server.open(join(folder, "policy.ts"), text);
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** `|` marks the word. */
it.each([
  ["|calls.open", 'Sets of calls: `calls("openat", "@network-io")`'],
  ["calls.|open", "Calls that open"],
  ["|tree.alive", "The processes of the tree"],
  ["tree.|alive", "The number of living processes"],
  ["perProcess.|rate", "A limit in time, a token bucket"],
  ["|limit", "Tokens in each"],
  ['call.|name === "openat"', "The name of the call. After"],
  ['args.|flags.has("O_CREAT")', "`int flags`: flags, tested by name: `.has(…)`"],
  ["args.|path.text", "`const char *pathname`: a path: `.text` is what the caller passed"],
  ["args.|addr.kind", "a socket address; test its `.kind` first"],
])("%s", async (place, shown) => {
  const before = text.slice(0, text.indexOf(place.replace("|", "")) + place.indexOf("|")).split("\n");
  const hover = await server.hover(join(folder, "policy.ts"), before.length - 1, before.at(-1)!.length);
  expect(hover).toContain(shown);
});

interface TypeNode {
  readonly type?: string;
  readonly body?: readonly Member[];
  readonly members?: readonly Member[];
  readonly types?: readonly TypeNode[];
  readonly typeAnnotation?: TypeNode;
}
interface Member {
  readonly start: number;
  readonly computed?: boolean;
}

/** The members of an interface or of a type literal; the parameters of functions are not among them. */
function membersOf(node: unknown): readonly Member[] {
  const { type, body, members, types, typeAnnotation } = node as TypeNode;
  switch (type) {
    case "TSInterfaceBody":
      return body ?? [];
    case "TSTypeLiteral":
      return members ?? [];
    case "TSUnionType":
    case "TSIntersectionType":
      return types?.flatMap(membersOf) ?? [];
    case "TSTypeAnnotation":
      return membersOf(typeAnnotation);
    default:
      return [];
  }
}

it.each(["index", "state", "values", "calls", "groups", "names"])("every name of %s.d.ts has a text", (name) => {
  const file = `src/frontend/types/${name}.d.ts`;
  const source = readFileSync(file, "utf8");
  const { program, comments, errors } = parseSync(file, source);
  expect(errors).toEqual([]);
  const isText = ({ type, value }: Comment) => type === "Block" && value.startsWith("*");
  const ends = new Set(comments.filter(isText).map(({ end }) => end));
  const names = program.body.flatMap((statement) => {
    const declared = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
    const exported = statement.type === "ExportNamedDeclaration" && declared !== null ? [statement] : [];
    switch (declared?.type) {
      case "TSInterfaceDeclaration":
        return [...exported, ...membersOf(declared.body)];
      case "TSTypeAliasDeclaration":
        return [...exported, ...membersOf(declared.typeAnnotation)];
      case "VariableDeclaration":
        return [...exported, ...declared.declarations.flatMap(({ id }) => membersOf(id.typeAnnotation ?? {}))];
      default:
        return exported;
    }
  });
  const lacking = names
    .filter((one) => !("computed" in one && one.computed) && !ends.has(source.slice(0, one.start).trimEnd().length))
    .map(({ start }) => source.slice(start).split("\n")[0]!);
  expect(names.length).toBeGreaterThan(5);
  // The first kind of an address has the text of this member.
  expect(lacking.filter((line) => !line.startsWith('readonly kind: "'))).toEqual([]);
});
