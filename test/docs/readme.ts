/** The commands that the README shows. */
import { readFileSync } from "node:fs";

export const readme = readFileSync("README.md", "utf8");

export interface Shown {
  readonly command: string;
  /** What the README prints below it; nothing where it leaves that out. */
  readonly output: string;
  /** The statuses that say that it works: `why` says by its status, too, that a call would be refused. */
  readonly statuses: readonly number[];
}

/** Of `console` blocks: commands in the folder of the package, a checkout or an installed one. */
export const shownCommands: readonly Shown[] = [...readme.matchAll(/```console\n([\s\S]*?)```/g)].flatMap((block) =>
  block[1]!
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = "", ...output] = part.split("\n");
      return { command, output: output.join("\n"), statuses: command.includes(" why ") ? [0, 1] : [0] };
    }),
);

/** Of `sh` blocks: commands in a project that has the package installed. The first installs it. */
export const projectCommands: readonly string[] = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap((block) =>
  block[1]!.split("\n").filter(Boolean),
);
