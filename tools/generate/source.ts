/**
 * Reads the kernel source of the tables: Debian's linux-source-6.12, in any point release.
 *
 * It extracts only the listed files (the archive has 1.5 GB unpacked and takes 5 s to read), once for each content of
 * the archive, and caches them by hash under the XDG cache directory.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

const series = "6.12";
/** Where Debian's package `linux-source-6.12` puts the archive. */
export const archivePath = `/usr/src/linux-source-${series}.tar.xz`;

/** The kernel source is missing, or does not have the expected form. */
export class SourceError extends Error {}

export interface KernelSource {
  /** "6.12.118", from the top Makefile. */
  readonly version: string;
  /** SHA-256 over the names and contents of all files read, in order. */
  readonly digest: string;
  read(path: string): string;
}

/**
 * @param of the series that the archive must contain, "6.12".
 * @throws {SourceError} when the archive is missing, is of another series, or lacks one of the files.
 */
export function openSource(files: readonly string[], archive = archivePath, of = series): KernelSource {
  if (!existsSync(archive)) {
    throw new SourceError(`${archive} is missing: install Debian's package linux-source-${of}`);
  }
  const wanted = ["Makefile", ...files].sort();
  const directory = extract(archive, wanted, of);
  const contents = new Map(wanted.map((file) => [file, readFileSync(join(directory, file), "utf8")]));
  const digest = createHash("sha256");
  for (const [file, text] of contents) digest.update(`${file}\0${text}\0`);
  return {
    version: kernelVersion(contents.get("Makefile") ?? "", of),
    digest: digest.digest("hex"),
    read(path) {
      const text = contents.get(path);
      if (text === undefined) throw new SourceError(`${path} is read but not in the list of files (inputs.ts)`);
      return text;
    },
  };
}

/** The series in the name of Debian's archive: linux-source-7.3.tar.xz. */
export function seriesOf(archive: string): string {
  const found = archive.match(/linux-source-(\d+\.\d+)\.tar\.xz$/)?.[1];
  if (found === undefined)
    throw new SourceError(`${archive} is not named like Debian's archive, linux-source-7.3.tar.xz`);
  return found;
}

function extract(archive: string, wanted: readonly string[], series: string): string {
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const key = createHash("sha256").update(readFileSync(archive)).update(wanted.join("\n")).digest("hex");
  const directory = join(cache, "portcullis", "linux-source", key.slice(0, 32));
  if (existsSync(directory)) return directory;
  mkdirSync(dirname(directory), { recursive: true });
  // Extract to a temporary directory and rename it, so that an interrupted run leaves no partial result.
  const temporary = mkdtempSync(`${directory}.`);
  try {
    const list = join(temporary, ".files");
    writeFileSync(list, wanted.map((file) => `linux-source-${series}/${file}\n`).join(""));
    execFileSync("tar", ["-xJf", archive, "-C", temporary, "--strip-components=1", `--files-from=${list}`], {
      stdio: ["ignore", "ignore", "pipe"],
      encoding: "utf8",
    });
    rmSync(list);
    renameSync(temporary, directory);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (existsSync(directory)) return directory; // another run was faster
    const detail = (error as { stderr?: string }).stderr?.trim() || String(error);
    throw new SourceError(`${archive} lacks an expected file: ${detail}`);
  }
  return directory;
}

function kernelVersion(makefile: string, series: string): string {
  const part = (name: string) => makefile.match(new RegExp(`^${name} = (\\d+)$`, "m"))?.[1];
  const version = [part("VERSION"), part("PATCHLEVEL"), part("SUBLEVEL")].join(".");
  if (!version.startsWith(`${series}.`))
    throw new SourceError(`the archive contains Linux ${version}, not ${series}.x`);
  return version;
}
