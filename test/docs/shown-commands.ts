/** The commands that README.md, docs/deployment.md and docs/containers.md show. */
import { readFileSync } from "node:fs";

const shownText: string = ["README.md", "docs/deployment.md", "docs/containers.md"]
  .map((file) => readFileSync(file, "utf8"))
  .join("\n");

export interface Shown {
  readonly command: string;
  /** The output in the document; empty if it is omitted. */
  readonly output: string;
  /** The statuses of success: `why` also reports a denial by its status. */
  readonly statuses: readonly number[];
}

/** From `console` blocks: commands in the folder of the package, a checkout or an installed one. */
export const shownCommands: readonly Shown[] = [...shownText.matchAll(/```console\n([\s\S]*?)```/g)].flatMap((block) =>
  block[1]!
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = "", ...output] = part.split("\n");
      return { command, output: output.join("\n"), statuses: command.includes(" why ") ? [0, 1] : [0] };
    }),
);

/** From `sh` blocks: commands in a project with the installed package. The first installs it. */
export const projectCommands: readonly string[] = [...shownText.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap((block) =>
  block[1]!.split("\n").filter(Boolean),
);
