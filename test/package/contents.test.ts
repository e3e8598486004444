/** Tests the contents of the npm package, and that `npm pack` fails if a part is missing. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { beforeAll, describe, expect, it } from "vitest";
import { folder, pack } from "./installed.ts";

let archive = Buffer.alloc(0);
/** The package's folder, unpacked. */
const unpacked = join(folder, "unpacked");

beforeAll(() => {
  const file = pack();
  archive = readFileSync(file);
  mkdirSync(unpacked);
  execFileSync("tar", ["-xzf", file, "-C", unpacked, "--strip-components=1"]);
});

const manifest = JSON.parse(readFileSync("package.json", "utf8")) as {
  readonly files: readonly string[];
  readonly scripts: Readonly<Record<string, string>>;
};

describe("the npm package", () => {
  it("has no install script", () => {
    const atInstall = ["preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare"];
    expect(atInstall.filter((name) => name in manifest.scripts)).toEqual([]);
    expect(readdirSync(unpacked)).not.toContain("binding.gyp");
  });

  it("has the files of package.json, and no file that only a checkout needs", () => {
    for (const entry of manifest.files.filter((each) => !each.startsWith("!"))) statSync(join(unpacked, entry));
    const all = readdirSync(unpacked, { recursive: true }).map(String);
    expect(all.filter((file) => /\.test\.|\.map$|\.new$|^(test|build|node_modules)\b|demo/.test(file))).toEqual([]);
  });

  it("has the files that its documents for users link to, but for sources", () => {
    const documents = readdirSync(join(unpacked, "docs")).filter((file) => file.endsWith(".md"));
    const linked = ["README.md", ...documents.map((file) => `docs/${file}`)]
      .filter((file) => file !== "docs/architecture.md")
      .flatMap((file) => {
        const links = readFileSync(join(unpacked, file), "utf8").matchAll(/\]\(([^)#\s:]+)(?:#[^)]*)?\)/g);
        return [...links].map(([, link]) => join(dirname(file), link!));
      })
      .filter((path) => !/^(src|native|test)\//.test(path));
    expect(linked.length).toBeGreaterThan(20);
    expect(linked.filter((path) => !existsSync(join(unpacked, path)))).toEqual([]);
  });

  it("passes publint", async () => {
    const tarball = new Uint8Array(archive).buffer;
    const { messages } = await publint({ pack: { tarball }, strict: true });
    expect(messages.map((each) => formatMessage(each, manifest))).toEqual([]);
  });

  it("has types that agree with its modules, for every resolution mode of Node 20.19", async () => {
    const found = await checkPackage(createPackageFromTarballData(new Uint8Array(archive)));
    if (found.types === false) throw new Error("no types");
    // require() of an ES module works since Node 20.19; before that, "exports" was unknown to the resolution node10.
    const expected = (kind: string, resolution: string | undefined) =>
      kind === "CJSResolvesToESM" || (kind === "NoResolution" && resolution === "node10");
    const others = found.problems.filter(
      (each) => !expected(each.kind, "resolutionKind" in each ? each.resolutionKind : undefined),
    );
    expect(others).toEqual([]);
  });
});

// ── The native parts ────────────────────────────────────────────────────────────────────────────────────────────────

/** e_machine of the ELF header (include/uapi/linux/elf-em.h). */
const machines = { x64: 62, arm64: 183 } as const;
type Architecture = keyof typeof machines;
const architectures = Object.keys(machines) as Architecture[];
const native = (architecture: Architecture, name: string) => join(unpacked, "dist/native", architecture, name);

/** The undefined dynamic symbols of a library: their names and required versions. */
function undefinedSymbols(file: string): { readonly name: string; readonly version: string; readonly weak: boolean }[] {
  const listed = execFileSync("readelf", ["--dyn-syms", "--wide", file], { encoding: "utf8" });
  return [...listed.matchAll(/ (\w+)\s+DEFAULT\s+UND (\w+)(?:@(\w+[\w.]*))?/g)].map((match) => ({
    name: match[2]!,
    version: match[3] ?? "",
    weak: match[1] === "WEAK",
  }));
}

describe.each(architectures)("the native parts for %s", (architecture) => {
  it("are for that machine, and executable", () => {
    for (const name of ["launcher", "portcullis.node"])
      expect(readFileSync(native(architecture, name)).readUInt16LE(18)).toBe(machines[architecture]);
    expect(statSync(native(architecture, "launcher")).mode & 0o777).toBe(0o755);
  });

  it("need no newer Node-API and C library than Node 20", () => {
    const symbols = undefinedSymbols(native(architecture, "portcullis.node")).filter(({ weak }) => !weak);
    expect(symbols.length).toBeGreaterThan(20);
    const headers = createRequire(import.meta.url)("node-api-headers") as {
      readonly symbols: Readonly<
        Record<string, { readonly node_api_symbols: string[]; readonly js_native_api_symbols: string[] }>
      >;
    };
    // Node 20 has Node-API 9, and is built for glibc 2.28.
    const { node_api_symbols: ofNode, js_native_api_symbols: ofLanguage } = headers.symbols["v9"]!;
    // Node exports libuv's functions, too, and libuv 1 keeps them (native/addon/node/readiness.c).
    const ofLibuv = [
      "uv_handle_size",
      "uv_handle_get_data",
      "uv_handle_set_data",
      "uv_poll_init",
      "uv_poll_start",
      "uv_unref",
    ];
    const offered = new Set([...ofNode, ...ofLanguage, ...ofLibuv]);
    const lacking = symbols.filter(({ name, version }) => {
      if (version === "") return !offered.has(name);
      const [major = 0, minor = 0] = version.replace("GLIBC_", "").split(".").map(Number);
      return !version.startsWith("GLIBC_") || major > 2 || minor > 28;
    });
    expect(lacking).toEqual([]);
  });

  it("have a launcher that starts without libraries", (context) => {
    const file = native(architecture, "launcher");
    expect(execFileSync("readelf", ["--dynamic", file], { encoding: "utf8" })).toContain("no dynamic section");
    const emulator = { x64: "qemu-x86_64", arm64: "qemu-aarch64" }[architecture];
    const command = architecture === process.arch ? [file] : [emulator, file];
    if (spawnSync(command[0]!, ["--version"]).error !== undefined) context.skip(`${emulator} is not installed`);
    const ran = spawnSync(command[0]!, command.slice(1), { encoding: "utf8" });
    expect(ran.status).toBe(125);
  });
});

describe("npm pack", () => {
  it.for(architectures.flatMap((each) => [`dist/native/${each}/launcher`, `dist/native/${each}/portcullis.node`]))(
    "refuses without %s",
    (file, context) => {
      const checkout = join(folder, `lacking-${context.task.id}`);
      for (const each of ["package.json", "bin", "dist", "tools/prepack.mjs"])
        cpSync(each, join(checkout, each), { recursive: true });
      truncateSync(join(checkout, file), 10);
      const packed = () => spawnSync("npm", ["pack"], { cwd: checkout, encoding: "utf8" });
      expect(packed().stderr).toMatch(new RegExp(`portcullis cannot be packed: ${file} is not an ELF file for`));
      rmSync(join(checkout, file));
      const { status, stderr } = packed();
      expect(status).not.toBe(0);
      expect(stderr).toContain(`portcullis cannot be packed: ${file} is missing\n  help: \`make package\``);
      expect(readdirSync(checkout).filter((name) => name.endsWith(".tgz"))).toEqual([]);
    },
  );
});
