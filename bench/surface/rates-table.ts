/** The section of docs/surface.md with the servers' rates under their policies, a part that is measured anew on its own. */
import type { EnforcedRates } from "./enforcement.ts";
import type { Server } from "./server.ts";
import { count, table, tableLine } from "./table.ts";

export interface ServerRates {
  readonly server: Server;
  /** Undefined if the generator of the load is not installed. */
  readonly rates: EnforcedRates | undefined;
}

export function ratesSection(measured: readonly ServerRates[]): string {
  const head = [
    "server",
    "requests/s (without)",
    "ratio",
    "requests/s of a processor (without)",
    "ratio",
    "a filter that allows all",
    "no filter, again",
    "judged for 1,000 requests",
  ];
  return `### The rates

\`npm run bench -- rates\` measures this table alone. A load generator that the recordings do not have (wrk, memcaslap, redis-benchmark, dnsperf) loads four servers in turn: without a filter, under the policy, under the smallest filter, which allows every call, and again without a filter. All run at the same time; a round is eight bursts, each server's two at the same distance from the middle of the round. Servers, with their supervisors, have one processor, the load another. Ratios are medians of the rounds' ratios to the first server. The second rate divides by the processor time of the server and of the supervisor: it depends less on other work of the machine, so the last two ratios are of this rate. They show the cost of any filter in the kernel, and the noise. *Judged* are the calls that the supervisor sees while the generator loads the server.

${table(head, measured.map(rowOf))}`;
}

function rowOf({ server, rates }: ServerRates): readonly string[] {
  const { name, generator } = server;
  if (rates === undefined) return [name, `not measured: ${generator[1]} is not installed`, "", "", "", "", "", ""];
  const { policy, allowAll, none, judged } = rates;
  return [
    name,
    ...[policy.perSecond, policy.perProcessorSecond].flatMap(({ ours, reference, ratio }) => [
      `${count(Math.round(ours))} (${count(Math.round(reference))})`,
      ratio.toFixed(3),
    ]),
    allowAll.perProcessorSecond.ratio.toFixed(3),
    none.perProcessorSecond.ratio.toFixed(3),
    ((1000 * judged.calls) / judged.requests).toFixed(2),
  ];
}

/** The document with these servers' rows in place of their old ones. @throws Error if it lacks the table or a row */
export function withRates(document: string, measured: readonly ServerRates[]): string {
  const start = document.indexOf("### The rates\n");
  const end = document.indexOf("\n## ", start);
  if (start < 0 || end < 0) throw new Error("the document has no section of rates");
  const old = document.slice(start, end);
  const rows = measured.map(({ server }) => new RegExp(`^\\| ${server.name} \\|.*$`, "m"));
  const fresh = measured.reduce((text, one, index) => {
    if (!rows[index]!.test(text)) throw new Error(`the table of rates has no row for ${one.server.name}`);
    return text.replace(rows[index]!, () => tableLine(rowOf(one)));
  }, old);
  return document.slice(0, start) + fresh + document.slice(end);
}
