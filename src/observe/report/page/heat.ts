/** How often each call is made by each process, or program, in each phase. */
import { cell, plot, text } from "@observablehq/plot";
import { grouped, type RunCharts } from "../model.ts";
import { fitted } from "./parts.ts";

const rowHeight = 20;
/** Shares above it have a strong fill and the other colour of text. No fill lies between, where neither can be read. */
const dark = 0.7;
const leastColumn = 52;
const marginLeft = 130;
/** Names of columns are rotated. */
const mostName = 220;
const rotation = 40;

export function drawHeat({ heat }: RunCharts, width: number): Element {
  const { columns, rows, counts, refused } = heat;
  const most = Math.max(1, ...counts.flat());
  const cells = rows.flatMap((row, y) =>
    columns.flatMap((column, x) => {
      const count = counts[y]![x]!;
      const some = refused[y]![x]!;
      if (count === 0) return [];
      const share = most === 1 ? 1 : Math.log(count) / Math.log(most);
      const title = `${row} by ${column}: ${grouped(count)}${some === 0 ? "" : `, ${grouped(some)} of them refused`}`;
      return [{ x, y, count, share, title, text: `${some > 0 ? "✗ " : ""}${compact(count)}` }];
    }),
  );
  const longest = Math.min(mostName, 6.5 * Math.max(1, ...columns.map(({ length }) => length)));
  const marginTop = 16 + longest * Math.sin((rotation * Math.PI) / 180);
  // For the rotated name of the last column.
  const marginRight = 16 + longest * Math.cos((rotation * Math.PI) / 180);
  const needed = marginLeft + columns.length * leastColumn + marginRight;
  return plot({
    width: Math.max(Math.min(width, marginLeft + columns.length * 120 + marginRight), needed),
    height: marginTop + rowHeight * Math.max(1, rows.length) + 8,
    ...{ marginLeft, marginTop, marginRight, marginBottom: 8 },
    x: {
      domain: columns.map((_, x) => x),
      axis: "top",
      label: null,
      tickRotate: -rotation,
      tickSize: 0,
      tickFormat: (x: number) => fitted(columns[x]!, mostName),
      padding: 0.04,
    },
    y: {
      domain: rows.map((_, y) => y),
      label: null,
      tickSize: 0,
      tickFormat: (y: number) => fitted(rows[y]!, marginLeft - 8),
      padding: 0.04,
    },
    opacity: { type: "identity" },
    style: { background: "none", color: "inherit", fontSize: "12px", fontFamily: "inherit", overflow: "visible" },
    marks: [
      cell(cells, {
        x: "x",
        y: "y",
        fill: "var(--heat)",
        fillOpacity: (one) => (one.share > dark ? 0.8 + 0.4 * (one.share - dark) : 0.08 + 0.6 * one.share),
        inset: 0.5,
        title: "title",
      }),
      text(cells, {
        x: "x",
        y: "y",
        text: "text",
        fill: (one) => (one.share > dark ? "var(--on-heat)" : "var(--text)"),
        fontSize: 11,
      }),
    ],
  });
}

function compact(count: number): string {
  if (count < 10_000) return grouped(count);
  return count < 1_000_000 ? `${Math.round(count / 1000)}k` : `${(count / 1e6).toFixed(1)}M`;
}
