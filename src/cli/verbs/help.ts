/** `portcullis help`: prints the page of a verb, or the overview. */
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import { printOverview, printPage } from "../pages/manual.ts";
import { Failure, failed, pageOf, type Verb, type VerbTable } from "../verb.ts";

export const help = (verbs: VerbTable): Verb => ({
  name: "help",
  synopsis: ["help [VERB]"],
  about: ["Shows the page of a verb, as `portcullis VERB --help` does; without a verb, the list of verbs."],
  options: {},
  complete: Object.keys(verbs),
  exit: [
    ["0", "The page was shown."],
    [String(failed), "There is no such verb."],
  ],
  examples: [["portcullis help run", "All of `run`"]],
  async execute({ words: [name] }, context) {
    const page = { colour: context.colour.out };
    if (name === undefined) {
      context.out(printOverview(verbs, page));
    } else if (Object.hasOwn(verbs, name)) {
      context.out(printPage(await pageOf(verbs[name]!), page));
    } else {
      const near = nearestName(name, Object.keys(verbs));
      const way = near === undefined ? "portcullis help lists them" : `write portcullis help ${near}`;
      throw new Failure([diagnostic("P0906", `portcullis has no verb ${JSON.stringify(name)}`, { help: way })]);
    }
    return 0;
  },
});
