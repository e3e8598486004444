import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { callByName } from "../../src/abi/calls.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { checkProgram } from "../../src/ir/check.ts";
import type { Program } from "../../src/ir/program.ts";
import { firstVerdict } from "../../src/ir/testing/parts.ts";

const dockerLike = readFileSync(fileURLToPath(new URL("../fixtures/oci/docker-like.json", import.meta.url)), "utf8");

function load(files: Readonly<Record<string, string>>, main: string, set?: ReadonlyMap<string, string>) {
  const readFile = (path: string) => {
    const text = files[path.replace(/^\/policies\//, "")];
    if (text === undefined) throw new Error("no such file");
    return text;
  };
  return loadPolicy(`/policies/${main}`, { architecture: "x86_64", readFile, ...(set === undefined ? {} : { set }) });
}

function errorsOf(loaded: ReturnType<typeof load>): string {
  const errors = loaded.diagnostics.filter(({ severity }) => severity === "error");
  return renderDiagnostics(errors, loaded.sources);
}

function verdictOf(program: Program, name: string, ...registers: bigint[]): string {
  const number = callByName(name)!.number[program.architecture]!;
  const { action, errno, at } = firstVerdict(program, { number, arguments: registers });
  return `${action}${action === "deny" ? ` ${errno}` : ""} ${at === undefined ? "" : program.files[at.file]?.split("/").at(-1)}`;
}

const importing = (oci: string) => `
import { allow, deny, oci, policy } from "portcullis";
import profile from "./docker-like.json" with { type: "json" };

export default policy({ extends: [${oci}] }, (call) => {
  if (call.name === "read") return deny("EACCES");
  return allow;
});
`;

describe("a profile as the policy", () => {
  it("needs no TypeScript", () => {
    const loaded = load({ "docker-like.json": dockerLike }, "docker-like.json");
    expect(errorsOf(loaded)).toBe("");
    expect(loaded.program!.name).toBe("docker-like");
    expect(verdictOf(loaded.program!, "mount")).toBe("deny 1 docker-like.json");
    expect(loaded.files.map(({ path }) => path)).toEqual(["/policies/docker-like.json"]);
  });

  it("that is invalid is rejected at its place", () => {
    const loaded = load({ "bad.json": '{\n  "defaultAction": "SCMP_ACT_NONE"\n}\n' }, "bad.json");
    expect(loaded.program).toBeUndefined();
    expect(errorsOf(loaded)).toMatch(/bad\.json:2:20: error P0703/);
  });

  it("that does not exist is refused", () => {
    expect(load({}, "missing.json").program).toBeUndefined();
  });

  it("has no parameters", () => {
    const loaded = load({ "docker-like.json": dockerLike }, "docker-like.json", new Map([["n", "1"]]));
    expect(errorsOf(loaded)).toMatch(/P0112/);
    expect(loaded.program).toBeUndefined();
  });
});

describe("a profile as a part of a policy", () => {
  it("judges every call beside the others, and the strictest verdict applies", () => {
    const loaded = load({ "p.ts": importing("oci(profile)"), "docker-like.json": dockerLike }, "p.ts");
    expect(errorsOf(loaded)).toBe("");
    const program = loaded.program!;
    expect(checkProgram(program)).toEqual([]);
    expect(verdictOf(program, "read")).toBe("deny 13 p.ts");
    expect(verdictOf(program, "write")).toMatch(/^allow/);
    expect(verdictOf(program, "mount")).toBe("deny 1 docker-like.json");
    expect(verdictOf(program, "socket", 40n)).toBe("deny 1 docker-like.json");
    expect(verdictOf(program, "socket", 2n)).toMatch(/^allow/);
    expect(verdictOf(program, "clone", 0x1000_0000n)).toBe("deny 1 docker-like.json");
  });

  it("may be the whole policy", () => {
    const text = `
import { oci } from "portcullis";
import profile from "./docker-like.json" with { type: "json" };

export default oci(profile);
`;
    const loaded = load({ "p.ts": text, "docker-like.json": dockerLike }, "p.ts");
    expect(errorsOf(loaded)).toBe("");
    expect(verdictOf(loaded.program!, "mount")).toBe("deny 1 docker-like.json");
    expect(verdictOf(loaded.program!, "read")).toMatch(/^allow/);
  });

  it("accepts the command's capabilities", () => {
    const text = importing('oci(profile, { capabilities: ["CAP_SYS_ADMIN"] })');
    const loaded = load({ "p.ts": text, "docker-like.json": dockerLike }, "p.ts");
    expect(errorsOf(loaded)).toBe("");
    expect(verdictOf(loaded.program!, "mount")).toMatch(/^allow/);
    for (const wrong of ['"CAP_SYS_ADMIN"', '["sys_admin"]', "[1n]"]) {
      const bad = importing(`oci(profile, { capabilities: ${wrong} })`);
      expect(load({ "p.ts": bad, "docker-like.json": dockerLike }, "p.ts").program, wrong).toBeUndefined();
    }
  });

  it("reports the import as a second place", () => {
    const files = {
      "p.ts": importing("oci(profile)"),
      "docker-like.json": dockerLike.replace("SCMP_CMP_NE", "SCMP_CMP_NO"),
    };
    const loaded = load(files, "p.ts");
    expect(loaded.program).toBeUndefined();
    const [error] = loaded.diagnostics.filter(({ severity }) => severity === "error");
    expect(error).toMatchObject({
      code: "P0703",
      related: { message: "imported here", span: { line: 5, column: 35 } },
    });
  });

  it("that is used twice is reported once", () => {
    const loaded = load({ "p.ts": importing("oci(profile), oci(profile)"), "docker-like.json": dockerLike }, "p.ts");
    expect(errorsOf(loaded)).toBe("");
    const places = loaded.diagnostics.map(({ code, span }) => `${code} ${span?.line}:${span?.column}`);
    expect(new Set(places).size).toBe(places.length);
  });
});
