/** The part of docs/internals/checked-arguments.md about checked arguments. */
import { count, table } from "../surface/table.ts";
import type { Costs, FormRates } from "./rates.ts";

export interface Checked {
  readonly server: string;
  readonly lists: number;
  /** The share of its recorded calls, 0 … 1. */
  readonly share: number;
  /** Calls on which the verdicts of all forms are equal. */
  readonly compared: number;
  /** Mean instructions of filters and programs over the recorded calls. */
  readonly mean: Readonly<Record<"libseccomp" | "searching" | "remembering", number>>;
  /** Whole calls in the machine; undefined without the kernel. */
  readonly costs: Costs | undefined;
  /** Undefined if the generator of the load is not installed. */
  readonly here: FormRates | undefined;
  readonly inMachine: FormRates | undefined;
}

const begin = "<!-- checked arguments: npm run bench -- arguments writes this part -->\n";
const end = "<!-- end of the part -->";

/** @throws Error if the document lacks the part */
export function withChecked(document: string, checked: readonly Checked[]): string {
  const [from, to] = [document.indexOf(begin), document.indexOf(end, document.indexOf(begin))];
  if (from < 0 || to < 0) throw new Error("the document has no part of checked arguments");
  return `${document.slice(0, from + begin.length)}\n${partOf(checked)}\n\n${document.slice(to)}`;
}

const absent = "not measured";

function partOf(checked: readonly Checked[]): string {
  const counted = checked.map(({ server, lists, share, compared, mean, costs }) => [
    server,
    `${lists} (${(100 * share).toFixed(1)} %)`,
    count(compared),
    ...[mean.libseccomp, mean.searching, mean.remembering].map((value) => value.toFixed(1)),
    ...(["libseccomp", "searching", "remembering"] as const).map((form) =>
      costs === undefined ? absent : (costs[form] - costs.none).toFixed(0),
    ),
  ]);
  const head = [
    "server",
    "lists (of its calls)",
    "equal verdicts",
    ...["libseccomp", "search", "memory"].map((form) => `${form}: instructions`),
    ...["libseccomp", "search", "memory"].map((form) => `${form}: of the kernel`),
  ];
  const rates = checked.map(({ server, here, inMachine }) => [
    server,
    ...[here, inMachine].flatMap((of) =>
      (["libseccomp", "searching", "remembering"] as const).map((form) => {
        if (of === undefined) return absent;
        const { perSecond, perProcessorSecond } = of[form];
        const ratios = [perSecond.ratio, perProcessorSecond.ratio].filter(Number.isFinite);
        return ratios.map((ratio) => ratio.toFixed(3)).join(", ");
      }),
    ),
  ]);
  const rateHead = [
    "server",
    ...["this machine", "patched kernel"].flatMap((where) =>
      ["libseccomp", "search", "memory"].map((form) => `${where}: ${form}`),
    ),
  ];
  return `${table(head, counted)}

*Instructions*: the mean over the recorded calls, of the classic filters and, for the third form, of the program behind it. *Of the kernel*: the additional instructions of a call relative to no filter, counted by QEMU, for the most frequent calls of the load.

Requests per second, and requests per second of a processor, against the same server without a filter; medians of rounds in which the load alternates between all four servers. The policy that remembers runs under \`notify\` on this machine, and under \`seccomp-ebpf\` on the other, which is emulated. The kernel logs each call that the lists lack, which costs more than any of the filters; of the three servers, nginx makes such calls, with descriptors that its recording does not have:

${table(rateHead, rates)}`;
}
