import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { allCallNames, callByName } from "../../src/abi/calls.ts";
import { errnoNames } from "../../src/abi/errno.ts";
import { nameSet } from "../../src/abi/flags.ts";
import { type Pointee, pointeeOf, type StructureField, structures, structureTypes } from "../../src/abi/pointees.ts";
import { rewritesOf } from "../../src/abi/rewrites.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import * as inert from "../../src/inert.ts";

/** The compiler accepts every name of the published types, which the editor completes. */
const folder = mkdtempSync(join(tmpdir(), "portcullis-types-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
function messages(text: string, severity = "error"): string[] {
  const path = join(folder, `policy-${count++}.ts`);
  writeFileSync(path, text);
  return loadPolicy(path, { architecture: "x86_64" })
    .diagnostics.filter((one) => one.severity === severity)
    .map((one) => `${one.code} ${one.message}`);
}

const types = ["index", "state", "values", "names", "calls"].flatMap((file) =>
  [...readFileSync(`src/frontend/types/${file}.d.ts`, "utf8").matchAll(/^export (?:interface|type) (\w+)/gm)].map(
    ([, name = ""]) => name,
  ),
);

/** The members of a pointer argument's type (src/frontend/types/values.d.ts). */
function pointerTests(it: string, pointee: Pointee | undefined): string[] {
  const plain = [`${it}.isNull && ${it}.address > 1n`];
  const text = (of: string) =>
    ["is", "startsWith", "endsWith", "matches"].map((method) => `${of}.${method}("/x", "y")`);
  const address = (of: string) => [
    `${of}.kind === "ip" && ${of}.port === 1n && ${of}.version === 4n && cidr("::1/128").has(${of}.address)`,
    `${of}.kind === "unix" && ${of}.path.text.under("/run")`,
    `${of}.kind === "abstract" && ${of}.name.is("x")`,
    `${of}.kind === "other" && ${of}.family === 17n`,
  ];
  switch (pointee?.is) {
    case undefined:
      return plain;
    case "path":
      return [...plain, ...text(`${it}.text`), `${it}.text.under("/srv")`];
    case "string":
      return [...plain, ...text(it)];
    case "address":
      return address(it);
    case "message":
      return [`${it}.isNull`, `${it}.controllen > 0n`, ...address(`${it}.name`)];
    case "strings":
      return [
        ...plain,
        ...text(`${it}.at(0n)`),
        `${it}.length > 1n && ${it}.includes("x") && ${it}.some("x*") && ${it}.has("X") && ${it}.startsWith(["a"])`,
      ];
    case "structure":
      if (structureTypes[pointee.structure] === "Pointer") return plain;
      return [
        ...plain,
        ...structures[pointee.structure].fields.map((field: StructureField) =>
          field.flags !== undefined
            ? `${it}.${field.name}.bits === 1n`
            : field.choice !== undefined
              ? `${it}.${field.name}.value === 1n`
              : `${it}.${field.name} === 1n`,
        ),
      ];
  }
}

describe("the compiler accepts the editor's completions", () => {
  it("every type", () => {
    expect(types.length).toBeGreaterThan(100);
    const refused = types.filter((name) => {
      const text = `import { allow, policy, type ${name} } from "portcullis";\nexport default policy(() => allow);\n`;
      return messages(text).length > 0;
    });
    expect(refused).toEqual([]);
  });

  it("every value", () => {
    const names = Object.keys(inert).filter((name) => name !== "allow" && name !== "policy");
    expect(
      messages(
        `import { allow, policy, ${names.join(", ")} } from "portcullis";\nexport default policy(() => allow);\n`,
      ),
    ).toEqual([]);
  });

  it("every call, every argument, every flag and value", () => {
    const cases = allCallNames().map((name) => {
      const tests = (callByName(name)?.parameters ?? []).flatMap(({ name: argument, kind, width, signed }) => {
        const it = `call.args.${argument}`;
        if (kind.is === "pointer") return pointerTests(it, pointeeOf(name, argument));
        // The kernel drops the upper bits of a signed argument.
        const negative = signed && rewritesOf(name, argument, "x86_64").length === 0;
        if (kind.is === "integer") return [`${it} > ${negative ? `-${2n ** BigInt(width - 1)}n` : "0n"}`];
        const members = (nameSet(kind.set)?.members ?? []).filter((one) => one.value.x86_64 !== undefined);
        const list = members.map((one) => `"${one.name}"`).join(", ");
        return kind.is === "flags"
          ? [`${it}.has(${list})`, `${it}.hasAny(${list})`, `${it}.hasOnly(${list})`, `${it}.bits === 1n`]
          : [`${it}.is(${list})`, `${it}.value === 1n`];
      });
      return `    case "${name}":\n${tests.map((test) => `      if (${test}) return log;\n`).join("")}      return allow;\n`;
    });
    const text = `import { allow, cidr, log, policy } from "portcullis";
export default policy((call) => {
  switch (call.name) {
${cases.join("")}  }
});
`;
    expect(messages(text)).toEqual([]);
  });

  it("a switch with all cases, and no statement after it", () => {
    const text = `import { allow, type CallOf, log, perProcess, policy, type Verdict } from "portcullis";
const phase = perProcess.phases(["a", "b"]);
function judge(call: CallOf<"open" | "openat">): Verdict {
  switch (call.name) {
    case "open":
      return allow;
    case "openat":
      return log;
  }
}
export default policy((call) => {
  if (call.name === "listen") phase.enter("b");
  if (call.name === "open" || call.name === "openat") return judge(call);
  switch (phase.get()) {
    case "a":
      return allow;
    case "b":
      return log;
  }
});
`;
    expect(messages(text)).toEqual([]);
  });

  it("every errno", () => {
    const lines = errnoNames().map((name, i) => `  if (call.number === ${i}n) return deny("${name}");\n`);
    const text = `import { allow, deny, policy } from "portcullis";\nexport default policy((call) => {\n${lines.join("")}  return allow;\n});\n`;
    expect(messages(text)).toEqual([]);
  });

  it("every group and family", () => {
    const table = readFileSync("src/frontend/types/groups.d.ts", "utf8");
    const groups = [...table.matchAll(/readonly ("@[\w-]+"):/g)].map(
      ([, name]) => `  if (calls(${name}).has(call)) return log;\n`,
    );
    const families = [...table.matchAll(/readonly ([a-z]\w*):/gi)].map(
      ([, name]) => `  if (calls.${name}.has(call)) return log;\n`,
    );
    expect(groups.length + families.length).toBeGreaterThan(70);
    for (const line of [...groups, ...families]) {
      const text = `import { allow, calls, log, policy } from "portcullis";\nexport default policy((call) => {\n${line}  return allow;\n});\n`;
      expect(messages(text), line).toEqual([]);
    }
  });
});
