/** The running kernel's verifier and Debian's bpftool show a policy's functions, fields and lines. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { loadBundle } from "../../src/backend/bundle/load.ts";
import { compileTrial } from "../../src/backend/ebpf/testing/trial-artifact.ts";
import { makeBundle } from "../../src/engines/bundle/make-bundle.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { mapInfo } from "../../src/machine/bpf/maps.ts";
import { programInfo } from "../../src/machine/bpf/programs.ts";
import { logLevels } from "../../src/machine/bpf/verifier-log.ts";

const policies = ["policies/exec-once.ts", "policies/children.ts", "policies/build-step.ts", "policies/nginx.ts"];

function bundleOf(path: string) {
  const { program, sources } = loadPolicy(path, { architecture: "x86_64" });
  const bundle = makeBundle(compileTrial(program!), { compiler: "portcullis test", fixed: [], sources });
  return { bundle, program: program!, sources };
}

function needsRoot(context: TestContext): void {
  if (process.getuid?.() !== 0) context.skip("bpf(2) needs root here");
}

function bpftool(context: TestContext): (...argv: readonly string[]) => string {
  const path = ["/usr/sbin/bpftool", "/usr/bin/bpftool"].find(existsSync);
  if (path === undefined) context.skip("bpftool is not installed");
  return (...argv) => execFileSync(path!, argv, { encoding: "utf8", maxBuffer: 1 << 28 });
}

describe("the verifier's log shows", () => {
  it.for(policies)("the lines of %s", (path, context) => {
    needsRoot(context);
    const { bundle } = bundleOf(path);
    const loaded = loadBundle(bundle, logLevels.all);
    try {
      const shown = [...loaded.log!.matchAll(/^; (.*) @ ([^:\n]+):(\d+)$/gm)];
      const lines = readFileSync(path, "utf8").split("\n");
      const ours = shown.filter(([, , file]) => file === basename(path));
      expect(ours.length).toBeGreaterThan(0);
      for (const [, text, , line] of ours) expect(text).toBe(lines[Number(line) - 1]!.trim());
      // Each line with an instruction in the program, except code that the verifier proves dead.
      const inProgram = new Set(bundle.sourceMap.flatMap(({ at }) => (at?.file === path ? [at.line] : [])));
      const inLog = new Set(ours.map(([, , , line]) => Number(line)));
      expect([...inLog].filter((line) => !inProgram.has(line))).toEqual([]);
      expect(inLog.size / inProgram.size).toBeGreaterThan(0.8);
      expect(loaded.log).toContain("; decisions without state @ portcullis:0");
    } finally {
      loaded.close();
    }
  });
});

describe("the kernel keeps", () => {
  it("type information of a program and of its maps", (context) => {
    needsRoot(context);
    const { bundle } = bundleOf("policies/exec-once.ts");
    const loaded = loadBundle(bundle);
    try {
      expect(programInfo(loaded.program)).toMatchObject({ name: "exec_once", type: 31 });
      const { btf, lines } = programInfo(loaded.program);
      expect(btf).toBeGreaterThan(0);
      expect(lines).toBeGreaterThan(3);
      for (const [index, map] of loaded.maps.entries()) {
        const info = mapInfo(map.descriptor);
        expect(info).toMatchObject({ name: bundle.maps[index]!.name, valueType: bundle.maps[index]!.valueType });
        expect(info.btf).toBeGreaterThan(0);
      }
    } finally {
      loaded.close();
    }
  });
});

describe("bpftool shows", () => {
  it("the policy's lines between the translated and the native instructions", (context) => {
    needsRoot(context);
    const run = bpftool(context);
    const { bundle, sources } = bundleOf("policies/exec-once.ts");
    const loaded = loadBundle(bundle);
    try {
      const id = String(programInfo(loaded.program).id);
      const translated = run("prog", "dump", "xlated", "id", id, "linum");
      const texts = sources.get("policies/exec-once.ts")!.split("\n");
      const shown = [
        ...translated.matchAll(/^; (.*) \[file:policies\/exec-once\.ts line_num:(\d+) line_col:(\d+)\]$/gm),
      ];
      expect(shown.length).toBeGreaterThan(0);
      for (const [, text, line] of shown) expect(text).toBe(texts[Number(line) - 1]!.trim());
      expect(translated).toMatch(/^int exec_once\(struct trial_context \* ctx\):$/m);
      // Debian's bpftool is built without a disassembler for native code; with one, its output also has the lines.
      const features: unknown = JSON.parse(run("--json", "version"));
      const native = () => run("prog", "dump", "jited", "id", id, "linum");
      if (/"(?:llvm|libbfd)":true/.test(JSON.stringify(features)))
        expect(native()).toContain("[file:policies/exec-once.ts line_num:");
      else expect(native).toThrow("No JIT disassembly support");
      expect(programInfo(loaded.program).nativeLines).toBeGreaterThan(0);
    } finally {
      loaded.close();
    }
  });

  it("a map's state by the names of the policy", (context) => {
    needsRoot(context);
    const run = bpftool(context);
    const { bundle, program } = bundleOf("policies/fork-rate.ts");
    const loaded = loadBundle(bundle);
    try {
      const scope = program.cells[0]!.scope;
      const map = loaded.maps[bundle.maps.findIndex(({ name }) => name === scope)]!;
      const dump: unknown = JSON.parse(run("--json", "map", "dump", "id", String(mapInfo(map.descriptor).id)));
      expect(JSON.stringify(dump)).toContain(`"${program.cells[0]!.name.replace(".", "_")}":`);
    } finally {
      loaded.close();
    }
  });
});
