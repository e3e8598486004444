/** The table of docs/vulnerabilities.md. */
import { readFileSync, writeFileSync } from "node:fs";
import { type Vulnerability, vulnerabilities } from "../../test/kernel/vulnerabilities/vulnerabilities.ts";
import { median } from "../support/pairs.ts";
import { type Engine, engines, type Measured } from "./measured.ts";

const document = "docs/vulnerabilities.md";
const [begin, end] = ["<!-- measured -->", "<!-- end -->"];

const head = [
  "| policy | rounds until the pattern wins | wins under the policy, seccomp-ebpf | notify | legitimate program, seccomp-ebpf | notify |",
  "| --- | --- | --- | --- | --- | --- |",
];
const integer = (value: number): string => Math.round(value).toLocaleString("en-US");
const firstCell = (name: string): string => `| [\`against/${name}\`](../policies/against/${name}.ts) |`;

/** A figure that was not measured now is copied from `former`, if the row's number of rounds has not changed. */
function row(
  name: string,
  { needed, attacks, legitimate, withoutRooms }: Measured,
  former: string | undefined,
): string {
  const formerCells = former?.split(" | ").slice(1) ?? [];
  const formerCell = (index: number): string => {
    const isSame = formerCells[0] === integer(median(needed));
    return (isSame ? formerCells[index]?.replace(/ \|$/, "") : undefined) ?? "not measured";
  };
  const attacked = (engine: Engine): string => {
    const attack = attacks[engine];
    return attack === undefined
      ? formerCell(1 + engines.indexOf(engine))
      : `${attack.wins} in ${integer(attack.rounds)}`;
  };
  const paid = (engine: Engine): string => {
    const [ours, plain] = [legitimate[engine], legitimate["no policy"]];
    return ours === undefined || plain === undefined
      ? formerCell(3 + engines.indexOf(engine))
      : `× ${(ours / plain).toFixed(2)}`;
  };
  const cells = [attacked, paid].flatMap((cell) =>
    engines.map((engine) => (withoutRooms.includes(engine) ? "no rooms" : cell(engine))),
  );
  return `${firstCell(name)} ${[integer(median(needed)), ...cells].join(" | ")} |`;
}

/** Writes this row and leaves the others. */
export function writeRow(one: Vulnerability, measured: Measured): void {
  const text = readFileSync(document, "utf8");
  const at = [text.indexOf(begin), text.indexOf(end)] as const;
  if (at[0] < 0 || at[1] < at[0]) throw new Error(`${document} has no place for the table`);
  const before = text.slice(at[0], at[1]).split("\n");
  const rows = vulnerabilities.flatMap(({ name }) => {
    const former = before.filter((each) => each.startsWith(firstCell(name)));
    return name === one.name ? [row(name, measured, former[0])] : former;
  });
  writeFileSync(
    document,
    `${text.slice(0, at[0])}${begin}\n\n${[...head, ...rows].join("\n")}\n\n${text.slice(at[1])}`,
  );
}
