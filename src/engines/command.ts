/** Finding the program that a command names, as a shell does, before anything is confined. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { join } from "node:path";

/** Nothing was started. `status` is what to exit with: 125, 126 or 127 (docs/language.md, "Exit status"). */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly status: 125 | 126 | 127;
  readonly help: string | undefined;

  constructor(status: 125 | 126 | 127, message: string, help?: string) {
    super(message);
    this.status = status;
    this.help = help;
  }
}

/** What execvp(3) searches where PATH is unset. */
const defaultPath = "/bin:/usr/bin";

/**
 * The file to execute for a command's first word. A word with a slash is a path; else the folders of PATH are searched,
 * an empty one meaning the working directory and one that may not be searched holding nothing. Throws a StartError: 127
 * not found, 126 found and not executable.
 */
export function resolveCommand(name: string, path: string | undefined = process.env["PATH"]): string {
  if (name === "") throw new StartError(127, "the command's name is empty");
  if (name.includes("/")) return checked(name);
  let denied: StartError | undefined;
  for (const folder of (path ?? defaultPath).split(":")) {
    try {
      return checked(folder === "" ? `./${name}` : join(folder, name));
    } catch (error) {
      if (error instanceof StartError && error.status === 126 && existsSync(join(folder, name))) denied ??= error;
    }
  }
  throw denied ?? new StartError(127, `${name}: command not found`);
}

function checked(file: string): string {
  let isFolder: boolean;
  try {
    isFolder = statSync(file).isDirectory();
    accessSync(file, constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EACCES") throw new StartError(126, `${file}: permission denied`);
    throw new StartError(127, `${file}: no such file${code === "ENOENT" ? "" : ` (${code})`}`);
  }
  if (isFolder) throw new StartError(126, `${file}: is a directory`);
  return file;
}
