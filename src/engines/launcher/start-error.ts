/** The command was not started. `status` is the exit status: 125, 126 or 127 (docs/cli.md, "Exit status"). */
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

/** The command's process or tree cannot be made. No weaker filter helps, so --best-effort does not try one. */
export class TreeStartError extends StartError {}
