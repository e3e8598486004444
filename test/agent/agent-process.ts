/**
 * The part of an agent that serves local runs, as a process. The argument is the socket's path; it prints "ready", and
 * "served" or "not served" for each request that it understands.
 */
import { readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { serveLocalRuns } from "../../src/agent/local/server.ts";
import { AgentRuns } from "../../src/cli/agent/local-runs.ts";
import { SupervisionPool } from "../../src/engines/notify/pool.ts";
import { Supervision } from "../../src/engines/notify/supervision.ts";
import { packageFile } from "../../src/machine/package.ts";

const [, , path = ""] = process.argv;
const runs = new AgentRuns();
const server = createServer({ pauseOnConnect: true });
const source = readFileSync(packageFile("dist/supervisor.cjs"), "utf8");
const supervision = new SupervisionPool((processor) => new Supervision(source, { processor }));
serveLocalRuns({
  server,
  supervise: (order) => supervision.supervise(order),
  prepare: (given) => {
    const prepared = runs.prepare(given);
    console.log(prepared === undefined ? "not served" : "served");
    return prepared;
  },
  log: (sentence) => console.log(sentence),
});
rmSync(path, { force: true });
process.umask(0o177);
server.listen({ path, backlog: 511 }, () => console.log("ready"));
