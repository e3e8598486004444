/** The descriptors that the command will inherit. */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { starterProcess } from "../launcher/launcher.ts";

export interface InheritedDescriptor {
  readonly name: string;
  /** The file's, or a text like `pipe:[7]`. */
  readonly path: string;
  readonly isDirectory: boolean;
}

const O_CLOEXEC = 0o2000000;

export function inheritedDescriptors(): readonly InheritedDescriptor[] {
  const holder = `/proc/${starterProcess() ?? process.pid}`;
  return readdirSync(`${holder}/fd`).flatMap((name) => {
    try {
      const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`${holder}/fdinfo/${name}`, "utf8"))![1]!;
      if ((Number.parseInt(flags, 8) & O_CLOEXEC) !== 0) return [];
      const file = `${holder}/fd/${name}`;
      return [{ name, path: readlinkSync(file), isDirectory: statSync(file).isDirectory() }];
    } catch (error) {
      // The descriptor of this listing is closed by now.
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    }
  });
}
