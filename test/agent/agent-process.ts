/** An agent's part for local runs as a process, as `portcullis agent` starts it. The argument is the socket's path. */
import { createServer } from "node:net";
import { serveLocalRuns } from "../../src/agent/local/server.ts";
import { AgentRuns } from "../../src/cli/policy/agent-run.ts";

const [, , path] = process.argv;
const runs = new AgentRuns();
const server = createServer({ pauseOnConnect: true });
serveLocalRuns({
  server,
  prepare: (given) => runs.prepare(given),
  log: (sentence) => console.error(sentence),
});
process.umask(0o177);
server.listen({ path, backlog: 128 }, () => console.log("ready"));
