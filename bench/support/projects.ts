/**
 * Well-known C projects as Debian's archive has them, which are built with their own default flags. They were chosen
 * before any of them was measured. Archives are fetched once, by file name and SHA-256, into the user's cache.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { basename, join } from "node:path";

export interface Project {
  readonly name: string;
  readonly archive: Archive;
  /** The folder in the archive. */
  readonly folder: string;
  /** Patterns of files that the build does not need. */
  readonly without?: readonly string[];
  /** Once, after the archive has been unpacked. */
  readonly configure: readonly (readonly string[])[];
  readonly make: readonly string[];
  /** Makes `make` do everything again. */
  readonly clean: readonly string[];
  /** One for builds of minutes, whose processor times differ little. */
  readonly rounds: number;
}

type Archive = { readonly file: string } | { readonly path: string; readonly sha256: string };

const debian = "http://deb.debian.org/debian/pool/main";
const objects = "build-objects";

export const projects: readonly Project[] = [
  {
    name: "lua 5.4.7",
    archive: {
      path: "l/lua5.4/lua5.4_5.4.7.orig.tar.gz",
      sha256: "9fbf5e28ef86c69858f6d3d34eccc32e911c1a28b4120ff3e84aaa70cfbf1e30",
    },
    folder: "lua-5.4.7",
    configure: [],
    make: ["make", "-j2", "linux"],
    clean: ["make", "clean"],
    rounds: 5,
  },
  {
    name: "zlib 1.3.1",
    archive: {
      path: "z/zlib/zlib_1.3.dfsg+really1.3.1.orig.tar.gz",
      sha256: "60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb",
    },
    folder: "zlib-1.3.1",
    configure: [["./configure"]],
    make: ["make", "-j2"],
    clean: ["make", "clean"],
    rounds: 5,
  },
  {
    name: "sqlite 3.46.1",
    archive: {
      path: "s/sqlite3/sqlite3_3.46.1.orig.tar.xz",
      sha256: "d0cdd2ece271b29e7ce18095745d892517ee26d0f270065b3a25c2e9eb11639c",
    },
    folder: "sqlite3-3.46.1",
    configure: [["./configure"]],
    make: ["make", "-j2"],
    clean: ["make", "clean"],
    rounds: 1,
  },
  {
    // The archive of Debian's linux-source-6.12, whose version is that of the last point release.
    name: "linux 6.12, lib/ and fs/ext4/",
    archive: { file: "/usr/src/linux-source-6.12.tar.xz" },
    folder: "linux-source-6.12",
    without: ["*/drivers/*.c", "*/sound/*.c"],
    configure: [
      ["make", `O=${objects}`, "defconfig"],
      ["make", `O=${objects}`, "-j2", "prepare"],
    ],
    make: ["make", `O=${objects}`, "-j2", "lib/", "fs/ext4/"],
    clean: ["find", `${objects}/lib`, `${objects}/fs/ext4`, "-type", "f", "-delete"],
    rounds: 1,
  },
  {
    name: "redis 8.0.2",
    archive: {
      path: "r/redis/redis_8.0.2.orig.tar.gz",
      sha256: "caf3c0069f06fc84c5153bd2a348b204c578de80490c73857bee01d9b5d7401f",
    },
    folder: "redis-8.0.2",
    configure: [],
    make: ["make", "-j2"],
    clean: ["make", "distclean"],
    rounds: 1,
  },
  {
    // Without the parts that need further libraries.
    name: "git 2.47.3",
    archive: {
      path: "g/git/git_2.47.3.orig.tar.xz",
      sha256: "9c2eb1250781b3e5bfef098572d07fdf132d67e6c065e4307332ade9819a1501",
    },
    folder: "git-2.47.3",
    configure: [],
    make: ["make", "-j2", "NO_CURL=1", "NO_TCLTK=1", "NO_GETTEXT=1"],
    clean: ["make", "clean"],
    rounds: 1,
  },
];

const hashOf = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

/** Its file, from the cache or from Debian's archive. */
function fetched(archive: Archive, cache: string): string {
  if ("file" in archive) {
    if (!existsSync(archive.file)) throw new Error(`${archive.file} is missing: make setup-test`);
    return archive.file;
  }
  const file = join(cache, basename(archive.path));
  if (existsSync(file) && hashOf(file) === archive.sha256) return file;
  mkdirSync(cache, { recursive: true });
  const address = `${debian}/${archive.path}`;
  const words = ["download-file", address, `${file}.new`, `SHA256:${archive.sha256}`];
  const ran = spawnSync("/usr/lib/apt/apt-helper", words, { encoding: "utf8" });
  if (ran.status !== 0) throw new Error(`${address} cannot be fetched: ${ran.error?.message ?? ran.stderr}`);
  renameSync(`${file}.new`, file);
  return file;
}

/** Runs a step that is not measured. Its output is shown only if it fails. */
export function step([file, ...words]: readonly string[], cwd: string): void {
  execFileSync(file!, words, { cwd, stdio: ["ignore", "ignore", "pipe"], maxBuffer: 1 << 28 });
}

/** Unpacks and configures it below `into`; its folder. Fetched archives stay in `archives`. */
export function unpacked(
  { archive, folder, without = [], configure }: Project,
  into: string,
  archives: string,
): string {
  const file = fetched(archive, archives);
  step(["tar", "--no-same-owner", ...without.map((one) => `--exclude=${one}`), "-xf", file], into);
  const project = join(into, folder);
  for (const command of configure) step(command, project);
  return project;
}
