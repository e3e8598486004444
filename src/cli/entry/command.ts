/** Runs a command line: finds the verb, runs it, and turns its errors into diagnostics and an exit status. */
import { safeLines } from "../../diagnostics/width.ts";
import { forgetFiles } from "../../machine/inputs.ts";
import { type Context, internalError, isWithoutDirectory } from "../context.ts";
import { Failure, failed, type Verb } from "../verb.ts";
import { isVerb, verbs } from "./verbs.ts";

/** @returns the exit status */
export async function runCommand(argv: readonly string[], world: Context): Promise<number> {
  forgetFiles();
  const context = safely(world);
  try {
    return await dispatch(argv, context);
  } catch (error) {
    if (error instanceof Failure) return tell(error, context);
    if (isWithoutDirectory(error)) return tell(await directoryMissing(), context);
    if (isWithoutParser(error)) return tell(await parserMissing(), context);
    context.err(internalError(error, context.environment["PORTCULLIS_DEBUG"] !== undefined));
    return failed;
  }
}

async function directoryMissing(): Promise<Failure> {
  const { diagnostic } = await import("../../diagnostics/catalogue.ts");
  return new Failure([
    diagnostic("P0901", "the working directory was removed", { help: "change to a folder that exists: cd" }),
  ]);
}

/**
 * Removes everything that could control a terminal from the output of all verbs. A line end in foreign text looks like
 * ours here, so each verb must remove it (`safeText`).
 */
function safely(context: Context): Context {
  const { colour, environment, answers } = context;
  return {
    colour,
    ...(answers !== undefined && { answers }),
    environment,
    // Read on demand: it may not exist, and not every verb needs it.
    get workingDirectory() {
      return context.workingDirectory;
    },
    out: (text) => context.out(safeLines(text, colour.out)),
    err: (text) => context.err(safeLines(text, colour.err)),
  };
}

/** oxc-parser, or its optional binding for this machine, is not installed. */
function isWithoutParser(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const isNotFound =
    (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND" && error.message.includes("oxc-parser");
  return isNotFound || error.message.startsWith("Cannot find native binding.");
}

async function parserMissing(): Promise<Failure> {
  const { diagnostic } = await import("../../diagnostics/catalogue.ts");
  return new Failure([
    diagnostic(
      "P0605",
      `the parser (npm package oxc-parser) is not installed for ${process.platform} ${process.arch}`,
      {
        help: "install portcullis again on this machine, with optional dependencies: npm install --include=optional",
      },
    ),
  ]);
}

async function dispatch(argv: readonly string[], context: Context): Promise<number> {
  const [word, ...rest] = argv;
  if (word === undefined) {
    context.err((await import("../pages/manual.ts")).printOverview(verbs, { colour: context.colour.err }));
    return failed;
  }
  if (word === "--help" || word === "-h") {
    context.out((await import("../pages/manual.ts")).printOverview(verbs, { colour: context.colour.out }));
    return 0;
  }
  if (word === "--version" || word === "-V") {
    context.out(`portcullis ${(await import("../../machine/package.ts")).packageVersion()}\n`);
    return 0;
  }
  if (!isVerb(word)) throw await unknownVerb(word);
  const verb: Verb = await verbs[word].load();
  const { parseInvocation } = await import("../parse.ts");
  if (asksForHelp(verb, rest)) {
    context.out(
      (await import("../pages/manual.ts")).printPage(
        { ...verb, summary: verbs[word].summary },
        { colour: context.colour.out },
      ),
    );
    return 0;
  }
  if (verb.exit.some(([status]) => status === "1")) context.answers?.();
  return await verb.execute(parseInvocation(verb, rest), context);
}

/** `--help` works despite other errors in the line, unless it belongs to the command of `run`. */
function asksForHelp(verb: Verb, argv: readonly string[]): boolean {
  const at = argv.findIndex((word) => word === "--help" || word === "-h");
  if (at === -1 || argv.slice(0, at).includes("--")) return false;
  if (verb.takesCommand !== true) return true;
  const values = new Set(
    Object.entries(verb.options).flatMap(([name, { short, value }]) =>
      value === undefined ? [] : [`--${name}`, ...(short === undefined ? [] : [`-${short}`])],
    ),
  );
  return argv.slice(0, at).every((word, index) => word.startsWith("-") || values.has(argv[index - 1] ?? ""));
}

async function unknownVerb(word: string): Promise<Failure> {
  const [{ diagnostic }, { nearestName }] = await Promise.all([
    import("../../diagnostics/catalogue.ts"),
    import("../../diagnostics/suggest.ts"),
  ]);
  if (word.startsWith("-")) {
    return new Failure([
      diagnostic("P0905", `${word} is not allowed before a verb`, { help: `portcullis run ${word} …` }),
    ]);
  }
  const near = nearestName(word, Object.keys(verbs));
  return new Failure([
    diagnostic("P0906", `portcullis has no verb ${JSON.stringify(word)}`, {
      help: near === undefined ? "portcullis help lists them" : `write portcullis ${near}`,
    }),
  ]);
}

async function tell(failure: Failure, context: Context): Promise<number> {
  const { renderDiagnostics } = await import("../../diagnostics/render.ts");
  context.err(renderDiagnostics(failure.diagnostics, failure.sources ?? new Map(), { colour: context.colour.err }));
  return failure.status;
}
