import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Constants } from "../../tools/generate/constants.ts";
import { withoutHeader } from "../../tools/generate/emit.ts";
import { generate, generateFrom } from "../../tools/generate/generate.ts";
import { allInputs } from "../../tools/generate/inputs.ts";
import { newerInputs, openNewer } from "../../tools/generate/newer.ts";
import { prototypeFor, readCallTables, readDefinitions } from "../../tools/generate/prototypes.ts";
import { archivePath, type KernelSource, openSource, SourceError } from "../../tools/generate/source.ts";

const excerpts = readFileSync("tools/generate/newer.txt", "utf8");
const folder = mkdtempSync(join(tmpdir(), "portcullis-generate-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function source(files: Readonly<Record<string, string>>): KernelSource {
  return {
    version: "6.12.0",
    digest: "",
    read(path) {
      const text = files[path];
      if (text === undefined) throw new SourceError(`${path} is not there`);
      return text;
    },
  };
}

function run(...args: string[]) {
  const ran = spawnSync(process.execPath, ["tools/generate/main.mjs", ...args], { encoding: "utf8" });
  return { status: ran.status, output: ran.stdout + ran.stderr };
}

describe("generate --verify", () => {
  it("accepts tables from the installed kernel source", () => {
    expect(existsSync(archivePath), `install Debian's linux-source-6.12 for ${archivePath}`).toBe(true);
    const { status, output } = run("--verify");
    expect(output).toMatch(/^the tables \(Linux 6\.12\.\d+\) are equal to those of Linux 6\.12\.\d+\n$/);
    expect(status).toBe(0);
  });

  it("names the package to install if the source is missing", () => {
    const { status, output } = run("--verify", "--source", join(folder, "none.tar.xz"));
    expect(output).toContain("none.tar.xz is missing: install Debian's package linux-source-6.12");
    expect(status).toBe(2);
  });

  it("rejects an invalid archive, and unknown arguments", () => {
    const other = join(folder, "other.tar.xz");
    writeFileSync(other, "not an archive");
    expect(run("--verify", "--source", other)).toMatchObject({ status: 2 });
    expect(run("--check")).toMatchObject({ status: 2, output: expect.stringContaining("usage:") });
  });
});

describe("another point release", () => {
  const kernel = openSource(allInputs);
  const cache = process.env["XDG_CACHE_HOME"];

  // Files from the test's archives are not cached.
  beforeAll(() => {
    process.env["XDG_CACHE_HOME"] = join(folder, "cache");
  });
  afterAll(() => {
    if (cache === undefined) delete process.env["XDG_CACHE_HOME"];
    else process.env["XDG_CACHE_HOME"] = cache;
  });

  /** An archive like Debian's, with changed files. xz -1 is fast. */
  function archive(name: string, change: (path: string, text: string) => string): string {
    const root = join(folder, name, "linux-source-6.12");
    for (const path of ["Makefile", ...allInputs]) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), change(path, kernel.read(path)));
    }
    const file = join(folder, `${name}.tar.xz`);
    execFileSync("tar", ["-C", join(folder, name), "-I", "xz -0", "-cf", file, "linux-source-6.12"]);
    return file;
  }

  it("passes if no table changed, and names the compared version", () => {
    const file = archive("later", (path, text) =>
      path === "Makefile"
        ? text.replace(/^SUBLEVEL = \d+$/m, "SUBLEVEL = 999")
        : path === "kernel/fork.c"
          ? `/* moved down by a line */\n${text}`
          : text,
    );
    const later = generate(file, excerpts);
    expect(later.version).toBe("6.12.999");
    for (const [path, text] of later.files) {
      expect(withoutHeader(text), path).toBe(withoutHeader(readFileSync(path, "utf8")));
    }
    const { status, output } = run("--verify", "--source", file);
    expect(output).toMatch(/^the tables \(Linux 6\.12\.\d+\) are equal to those of Linux 6\.12\.999\n$/);
    expect(status).toBe(0);
  });

  it("fails if a call or a flag differs", () => {
    const file = archive("changed", (path, text) => {
      if (path === "fs/open.c")
        return text.replace("SYSCALL_DEFINE4(openat, int, dfd,", "SYSCALL_DEFINE4(openat, long, dfd,");
      return path.endsWith("asm-generic/fcntl.h")
        ? text.replace(/^#define O_CREAT\t.*$/m, "#define O_CREAT 0200000000")
        : text;
    });
    const { status, output } = run("--verify", "--source", file);
    expect(output).toContain("src/abi/generated/calls.ts differs from the table of Linux 6.12");
    expect(output).toContain("src/abi/generated/flags.ts differs from the table of Linux 6.12");
    expect(status).toBe(1);
  });

  it.each([
    ["fs/open.c", /SYSCALL_DEFINE4\(openat,/, "SYSCALL_DEFINE4(openatt,", "sys_openat is not defined in the files"],
    [
      "kernel/fork.c",
      /lower_32_bits\(clone_flags\) & ~CSIGNAL/,
      "clone_flags & ~CSIGNAL",
      "is clone's clone_flags still narrowed?",
    ],
    [
      "fs/open.c",
      /SYSCALL_DEFINE4\(openat, int, dfd,/,
      "SYSCALL_DEFINE4(openat, fd_t, dfd,",
      "the width of the type fd_t is not known",
    ],
    [
      "net/socket.c",
      /type == SOCK_PACKET\) \{/,
      "type == SOCK_PACKET || 0) {",
      "is socket's family still changed? (rewrites.ts)",
    ],
    ["kernel/seccomp.c", /sd->nr == __NR_uprobe\b/, "sd->nr == __NR_getpid", "src/abi/exempt-calls.ts names others"],
    ["include/uapi/linux/openat2.h", /RESOLVE_/g, "RESOLVES_", "ResolveFlag: no header has /^RESOLVE_/"],
  ])("stops where %s has another shape", (path, pattern, replacement, message) => {
    const changed = {
      ...kernel,
      read: (each: string) => (each === path ? kernel.read(each).replace(pattern, replacement) : kernel.read(each)),
    };
    expect(() => generateFrom(changed, excerpts)).toThrow(message);
  });
});

describe("the excerpts of a newer kernel", () => {
  it("name the kernel and the files, with every file's digest", () => {
    expect(excerpts).toMatch(/^# What Linux 7\.3\.\d+ has and the tables' own kernel lacks/);
    const newer = openNewer(excerpts);
    expect(newer.read("scripts/syscall.tbl")).toContain("463\tcommon\tsetxattrat\tsys_setxattrat\n");
    expect(newer.read("fs/open.c")).toContain("SYSCALL_DEFINE2(fchroot, int, fd, unsigned int, flags)");
    expect(newer.read("fs/exec.c")).toBe("");
    for (const file of newerInputs) expect(excerpts).toMatch(new RegExp(`^--- ${file} [0-9a-f]{64}$`, "m"));
  });

  it("are rejected after a manual change", () => {
    expect(() => openNewer(excerpts.replace("463\tcommon", "462\tcommon"))).toThrow("newer.txt was changed by hand");
    expect(() => openNewer("")).toThrow("newer.txt was changed by hand");
  });

  it("are extracted from an archive, which must be named like Debian's", () => {
    expect(run("--verify", "--newer", join(folder, "linux-source-9.9.tar.xz"))).toMatchObject({
      status: 2,
      output: expect.stringContaining("is missing: install Debian's package linux-source-9.9"),
    });
    expect(run("--verify", "--newer", "kernel.tar.xz").output).toContain("is not named like Debian's archive");
  });

  it("give only the calls that the older kernel lacks", () => {
    const older = openSource(allInputs);
    const names = (newer?: KernelSource) => readCallTables(older, newer).x86_64.map(({ name }) => name);
    const known = new Set(names());
    expect(names(openNewer(excerpts)).filter((name) => !known.has(name))).toEqual(
      "uprobe setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr listns rseq_slice_yield fchroot".split(
        " ",
      ),
    );
  });
});

describe("reading constants", () => {
  const value = (text: string, name: string, ...defined: string[]) =>
    new Constants(source({ "a.h": text }), ["a.h"], defined).value(name);

  it("evaluates C's numbers and operators", () => {
    expect(value("#define A 0100", "A")).toBe(64n);
    expect(value("#define A 0x80000000U", "A")).toBe(0x8000_0000n);
    expect(value("#define A (1ULL << 33) /* a\n comment */", "A")).toBe(1n << 33n);
    expect(value("#define A 1\n#define B (A | \\\n  2)\n#define C (~B & 0xf)", "C")).toBe(12n);
    expect(value("#define A -100", "A")).toBe(-100n);
    expect(value("#define A 0x20 + 3", "A")).toBe(35n);
    expect(value("#define A ((__force t)0x00000004)", "A")).toBe(4n);
    expect(value("#define A _IOR('T',0x30, unsigned int)", "A")).toBe(0x8004_5430n);
    expect(value("#define A _IO('!', 1)", "A")).toBe(0x2101n);
    expect(value("#define A _IOW('f', 2, long)", "A")).toBe(0x4008_6602n);
  });

  it("follows conditions", () => {
    const text = "#ifndef A\n#define A 1\n#elif defined(X)\n#define A 2\n#else\n#define A 3\n#endif\n";
    expect(value(text, "A")).toBe(1n);
    expect(value(`#define A 7\n${text}`, "A")).toBe(3n);
    expect(value(`#define X\n#define A 7\n${text}`, "A")).toBe(2n);
    expect(value("#ifdef Y\n#if 1\n#define A 1\n#endif\n#endif\n#if !defined(Y) && 1\n#define B 2\n#endif", "B")).toBe(
      2n,
    );
    expect(value("#ifdef Y\n#define A 1\n#endif", "A")).toBeUndefined();
    expect(value("#ifdef Y\n#define A 1\n#endif", "A", "Y")).toBe(1n);
  });

  it("counts enumerators until a value is unknown", () => {
    expect(value("enum e { A, B, C = 7, D, };", "D")).toBe(8n);
    expect(value("enum { A = sizeof(int), B };", "B")).toBeUndefined();
  });

  it("fails if a value cannot be computed", () => {
    expect(() => value("#define A sizeof(int)", "A")).toThrow(SourceError);
    expect(() => value("#define A A", "A")).toThrow(SourceError);
    expect(() => value("#define A 1 2", "A")).toThrow(SourceError);
    expect(() => value("#ifdef A", "A")).toThrow(SourceError);
  });
});

describe("reading prototypes", () => {
  it("reads definitions that span lines, and the conditions around them", () => {
    const text = `
#ifdef CONFIG_A
SYSCALL_DEFINE2(one, const char __user *, name,
		unsigned int, flags)
#else
SYSCALL_DEFINE0(one)
#endif
COMPAT_SYSCALL_DEFINE1(one, int, x)
`;
    const definitions = readDefinitions(source({ "a.c": text }), ["a.c"]).get("sys_one");
    expect(definitions?.map(({ parameters, conditions }) => ({ parameters, conditions }))).toEqual([
      {
        parameters: [
          { type: "const char *", name: "name" },
          { type: "unsigned int", name: "flags" },
        ],
        conditions: ["defined(CONFIG_A)"],
      },
      { parameters: [], conditions: ["not (defined(CONFIG_A))"] },
    ]);
  });

  it("fails if two definitions differ and no rule selects one", () => {
    const definitions = readDefinitions(
      source({ "a.c": "SYSCALL_DEFINE1(one, int, x)\nSYSCALL_DEFINE1(one, long, x)" }),
      ["a.c"],
    );
    const kernel = source({ "arch/x86/Kconfig": "" });
    expect(() => prototypeFor(kernel, definitions, "sys_one", "x86_64")).toThrow("2 different prototypes");
  });

  it("fails for a malformed table", () => {
    const kernel = (table: string) =>
      source({
        "arch/arm64/kernel/Makefile.syscalls": "syscall_abis_64 += renameat\n",
        "arch/x86/entry/syscalls/syscall_64.tbl": table,
        "scripts/syscall.tbl": "",
      });
    expect(() => readCallTables(kernel("0 common read sys_read"))).toThrow("only 1 calls");
    expect(() => readCallTables(kernel("nought common read sys_read"))).toThrow("cannot read");
    expect(() => readCallTables(kernel("0 64 read sys_read\n0 common write sys_write"))).toThrow("0 twice");
  });
});
