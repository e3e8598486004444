import { allow, deny, parameter, policy } from "portcullis";
import { executes, opens, refuseWithin } from "portcullis/policies/shared/events.ts";

const database = parameter.texts("database", { default: ["prod.db", "**/prod.db", "prod.db-*", "**/prod.db-*"] });
const tool = parameter.texts("tool", { default: ["/usr/local/bin/migrate"] });

/**
 * Only the migration tool, and what it starts, opens the production database. Other rights on the file remain necessary
 * against a process that names it otherwise: its directory, or `files.except` (docs/language.md).
 *
 * Cost: a supervised call for each open and each execution.
 */
export default policy(
  {
    extends: [
      refuseWithin({
        event: opens(database),
        lineage: executes(tool),
        refuses: "outside",
        verdict: deny("EACCES", "the production database is opened by the migration tool only"),
      }),
    ],
  },
  () => allow,
);
