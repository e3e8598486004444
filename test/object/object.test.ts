/** Tests object files with Debian's bpftool and libbpf. */

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { callByName } from "../../src/abi/calls.ts";
import { functionName } from "../../src/backend/btf/describe.ts";
import { loadBundle } from "../../src/backend/bundle/load.ts";
import { compileArtifact, type EbpfArtifact } from "../../src/backend/ebpf/artifact.ts";
import { compileTrial } from "../../src/backend/ebpf/testing/trial-artifact.ts";
import { refusals } from "../../src/backend/ebpf/testing/trial-target.ts";
import { encodeObject, ObjectError } from "../../src/backend/object/object.ts";
import type { Sources } from "../../src/diagnostics/render.ts";
import { makeBundle } from "../../src/engines/bundle/make-bundle.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { loadOpenPolicy } from "../../src/frontend/open.ts";
import { evaluate } from "../../src/ir/interpreter.ts";
import type { Program } from "../../src/ir/program.ts";
import { generateProgram, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { freshState } from "../../src/ir/testing/parts.ts";
import { programInfo } from "../../src/machine/bpf/programs.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-object-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tool = ["/usr/sbin/bpftool", "/usr/bin/bpftool"].find(existsSync);

function needs(context: TestContext): string {
  if (process.getuid?.() !== 0) context.skip("bpf(2) needs root here");
  if (tool === undefined) context.skip("bpftool is not installed");
  return tool!;
}

interface Compiled {
  readonly program: Program;
  readonly artifact: EbpfArtifact;
  readonly sources: Sources;
}

function compiled(path: string, target: "trial" | "seccomp"): Compiled {
  const { program, sources } = loadPolicy(path, { architecture: "x86_64" });
  const artifact =
    target === "trial"
      ? compileTrial(program!)
      : compileArtifact(program!, target, { reportsVerdicts: true }).artifact!;
  return { program: program!, artifact, sources };
}

function written(name: string, { artifact, sources }: Pick<Compiled, "artifact" | "sources">): string {
  const file = join(folder, `${name}.o`);
  writeFileSync(file, encodeObject(artifact, sources));
  return file;
}

/** Loads it and pins it in a temporary file system, lists the objects, and removes them. */
function loadByTool(file: string): { readonly status: number; readonly shown: unknown; readonly said: string } {
  const pins = join(folder, "pins");
  mkdirSync(pins, { recursive: true });
  const script = `mount -t bpf none "$1" && "$0" prog load "$2" "$1/step" && "$0" --json prog show pinned "$1/step"`;
  const argv = ["-m", "sh", "-c", script, tool!, pins, file];
  const { status, stdout, stderr } = spawnSync("unshare", argv, { encoding: "utf8" });
  return { status: status ?? -1, shown: status === 0 ? JSON.parse(stdout) : undefined, said: stderr };
}

/** Equal instructions have the same tag with any loader. */
function ownTag({ artifact, sources }: Pick<Compiled, "artifact" | "sources">): string {
  const loaded = loadBundle(makeBundle(artifact, { compiler: "test", fixed: [], sources }));
  try {
    return programInfo(loaded.program).tag;
  } finally {
    loaded.close();
  }
}

const ready = readdirSync("policies")
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".flow.ts"))
  .map((file) => `policies/${file}`);
const golden = ["limit", "remembered", "sockets"].map((name) => `test/goldens/ebpf/${name}.ts`);

/** Reads a map whose initial values are not zeros. */
const withoutObject = ["policies/fork-rate.ts"];

it("an object is refused for a policy that judges memory: it would be attached without declarations", () => {
  const { artifact, sources } = compiled("policies/connect-hosts.ts", "seccomp");
  expect(() => encodeObject(artifact, sources)).toThrow("the arguments that the kernel must copy");
});

describe("bpftool prog load accepts", () => {
  it.for([...ready, ...golden])("%s, and loads the same program as we do", (path, context) => {
    needs(context);
    const policy = compiled(path, "trial");
    if (withoutObject.includes(path)) {
      expect(() => encodeObject(policy.artifact, policy.sources)).toThrow(ObjectError);
      return;
    }
    const { status, shown, said } = loadByTool(written("policy", policy));
    expect(said).toBe("");
    expect(status).toBe(0);
    expect(shown).toMatchObject({ type: "syscall", gpl_compatible: true, tag: ownTag(policy) });
    expect(shown).toHaveProperty("name", functionName(policy.program.name));
    expect(shown).toHaveProperty("btf_id");
  });

  it("random policies", (context) => {
    needs(context);
    let taken = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const program = generateProgram(new SeededChoices(seed), { statements: 12, parameters: seed % 2 === 0 });
      const policy = { artifact: compileTrial(program), sources: new Map<string, string>() };
      let file: string;
      try {
        file = written("random", policy);
      } catch (error) {
        if (error instanceof ObjectError) continue;
        throw error;
      }
      const { shown, said } = loadByTool(file);
      expect(said, `seed ${seed}`).toBe("");
      expect(shown, `seed ${seed}`).toMatchObject({ tag: ownTag(policy) });
      taken += 1;
    }
    expect(taken).toBeGreaterThan(8);
  });
});

it("open parameters are constants that a skeleton sets, with their defaults", (context) => {
  needs(context);
  const set = new Map([["deny-proc-mem", "false"]]); // true is not expressible
  const { program, sources } = loadOpenPolicy("policies/build-step.ts", { architecture: "x86_64", set }).loaded;
  const { artifact } = compileArtifact(program!, "seccomp", { reportsVerdicts: true });
  const file = written("open", { artifact: artifact!, sources });
  const skeleton = execFileSync(tool!, ["gen", "skeleton", file], { encoding: "utf8" });
  const constants = /struct \w+__rodata \{([^}]*)\}/.exec(skeleton)![1]!;
  expect(constants.match(/unsigned long long \S+;/g)).toEqual([
    "unsigned long long token[2];",
    "unsigned long long parameter_network;",
    "unsigned long long parameter_processes;",
  ]);
  const words = new BigUint64Array(new Uint8Array(sectionOf(readFileSync(file), ".rodata")).buffer);
  expect([...words]).toEqual([0n, 0n, 0n, 256n]);
});

/** The contents of a section of a 64-bit, little-endian ELF file. */
function sectionOf(file: Buffer, wanted: string): Buffer {
  const table = Number(file.readBigUInt64LE(40));
  const header = (index: number) => file.subarray(table + 64 * index, table + 64 * (index + 1));
  const contents = (index: number) => {
    const start = Number(header(index).readBigUInt64LE(24));
    return file.subarray(start, start + Number(header(index).readBigUInt64LE(32)));
  };
  const names = contents(file.readUInt16LE(62));
  const sections = Array.from({ length: file.readUInt16LE(60) }, (_, index) => index);
  const nameOf = (index: number) => {
    const at = header(index).readUInt32LE(0);
    return names.toString("latin1", at, names.indexOf(0, at));
  };
  return contents(sections.find((index) => nameOf(index) === wanted)!);
}

describe("names", () => {
  const text = `import { allow, deny, perTree, policy } from "portcullis";
    const größe = perTree.counter(), gr__e = perTree.flag(), secret = perTree.counter();
    export default policy((call) => {
      if (call.name === "socket") { gr__e.set(true); return größe.add(1n) + secret.add(1n) > 3n ? deny("EMFILE") : allow; }
      return allow; // "\\" \t ü
    });`;

  it.for([
    ["thread", "thread_2"],
    ["secret", "secret_2"],
    ["switch", "switch_2"],
    ["größe", "gr__e_2"],
    ["3-more", "_3_more"],
    ["", "_"],
    [`a${"-long".repeat(60)}`, `a${"_long".repeat(60)}`.slice(0, 120)],
    ["'; x\n", "___x_"],
  ] as const)("of the policy %j are fit for the kernel, libbpf and C", ([name, wanted], context) => {
    const bpftool = needs(context);
    const { program, sources, diagnostics } = loadPolicy(`/${name}.ts`, {
      architecture: "x86_64",
      readFile: () => text,
    });
    expect(diagnostics).toEqual([]);
    const policy = { artifact: compileTrial(program!), sources };
    const file = written("named", policy);
    const { shown, said } = loadByTool(file);
    expect(said).toBe("");
    expect(shown).toMatchObject({ tag: ownTag(policy), name: wanted });
    expect(execFileSync(bpftool, ["gen", "skeleton", file], { encoding: "utf8" })).toContain(`*${wanted};`);
  });
});

describe("an object for the seccomp program type", () => {
  it("is opened by bpftool, which generates a skeleton and names the maps", (context) => {
    const path = needs(context);
    const file = written("nginx", compiled("policies/nginx.ts", "seccomp"));
    const skeleton = execFileSync(path, ["gen", "skeleton", file], { encoding: "utf8" });
    expect(skeleton).toContain("struct bpf_map *events;");
    expect(skeleton).toContain("unsigned long long token[2];");
    expect(skeleton).toContain("struct bpf_program *nginx;");
    // State is never mapped into the loader's memory.
    expect(skeleton).not.toMatch(/struct nginx__data/);
  });

  it("is rejected by a libbpf that does not know the section's name", (context) => {
    needs(context);
    const { status, said } = loadByTool(written("nginx", compiled("policies/nginx.ts", "seccomp")));
    if (status === 0) return;
    expect(said).toContain("failed to guess program type from ELF section 'seccomp'");
  });
});

describe("a program in C, by a skeleton of the object,", () => {
  it.for(["policies/order.ts", "test/goldens/ebpf/remembered.ts"])(
    "judges by %s as the interpreter does",
    (path, context) => {
      const bpftool = needs(context);
      if (!existsSync("/usr/include/bpf/libbpf.h")) context.skip("libbpf-dev is not installed");
      const policy = compiled(path, "trial");
      const { program, artifact } = policy;
      const skeleton = execFileSync(bpftool, ["gen", "skeleton", written("judged", policy)], { encoding: "utf8" });
      const header = join(folder, "judged.skel.h");
      writeFileSync(header, skeleton);
      const judge = join(folder, "judge");
      const defines = {
        SKELETON: JSON.stringify(header),
        NAME: "judged",
        STEP: functionName(program.name),
        CONTEXT_SIZE: artifact.kind.context.size,
        ...(skeleton.includes("secret[3]") ? { HAS_SECRET: 1 } : {}),
      };
      const flags = Object.entries(defines).map(([name, value]) => `-D${name}=${value}`);
      execFileSync("gcc", ["-Wall", "-O1", ...flags, "-o", judge, "test/object/judge.c", "-lbpf"]);

      const calls = ["getpid", "socket", "openat", "connect", "dup", "close", "dup", "dup", "close", "execve", "read"];
      const numbers = calls.map((name) => callByName(name)!.number.x86_64!);
      const judged = execFileSync(judge, numbers.map(String), { encoding: "utf8" }).trimEnd().split("\n").map(Number);
      const state = freshState(program);
      const wanted = numbers.map((number) => {
        const event = {
          number,
          architecture: auditArchitecture.x86_64,
          instructionPointer: 0n,
          arguments: [0n, 0n, 0n, 0n, 0n, 0n],
        } as const;
        return evaluate(program, event, { now: 0n, pid: 0, tid: 0, uid: 0, gid: 0, alive: 0n }, state).verdict;
      });
      expect(judged).toEqual(wanted);
      expect(judged).not.toContain(refusals.noState);
    },
  );
});
