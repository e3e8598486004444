/** The tree of processes over time: a band for each process, with its phases, and what it executed. */
import { barX, dot, link, plot, text } from "@observablehq/plot";
import { grouped, type RunCharts } from "../model.ts";
import { atTime, axisName, fitted, phaseFill, short } from "./parts.ts";

const rowHeight = 22;
const marginTop = 34;
const marginBottom = 12;

export function drawTimeline(run: RunCharts, width: number): Element {
  const { processes, moments, length } = run;
  const marginLeft = Math.min(220, Math.max(130, width * 0.26));
  const end = length || 1;
  const pixels = (time: number) => ((width - marginLeft - 16) * time) / end;
  const label = (row: number) => {
    const { name, pid, depth } = processes[row]!;
    return fitted(
      `${"  ".repeat(Math.min(depth, 8))}${depth > 0 ? "└ " : ""}${name === "" ? "?" : name} ${pid}`,
      marginLeft,
    );
  };
  const spans = processes.flatMap((process, row) => {
    const given = process.spans.length === 0 ? [{ phase: "", from: process.from, to: process.to }] : process.spans;
    return given.map((span) => ({
      ...{ row, ...span },
      // A band of no width is drawn, too.
      shown: Math.max(span.to, span.from + end / 400),
      title: `${process.name} ${process.pid}${span.phase === "" ? "" : `, ${span.phase}`}: from ${atTime(run, span.from)} to ${atTime(run, span.to)}, ${grouped(process.calls)} calls in all`,
    }));
  });
  const births = processes.flatMap(({ parent, from }, row) => (parent === undefined ? [] : [{ row, parent, from }]));
  const executions = processes.flatMap((process, row) =>
    process.executions.map(({ at, name }) => ({
      row,
      at,
      title: `${process.pid} executes ${name} at ${atTime(run, at)}`,
    })),
  );
  const entries = moments.map(({ at, process, phase, call }) => ({
    ...{ row: process, at },
    title: `${processes[process]!.name} ${processes[process]!.pid} enters ${phase} at ${atTime(run, at)}${call === undefined ? "" : `, by ${call}`}`,
  }));
  return plot({
    width,
    height: marginTop + marginBottom + rowHeight * Math.max(1, processes.length),
    ...{ marginLeft, marginTop, marginBottom, marginRight: 16 },
    x: {
      domain: [0, end],
      label: axisName(run),
      axis: "top",
      grid: true,
      ticks: Math.max(2, Math.floor(width / 130)),
      tickFormat: (time: number) => short(time),
    },
    y: { domain: processes.map((_, row) => row), label: null, tickFormat: label, tickSize: 0, padding: 0.18 },
    style: { background: "none", color: "inherit", fontSize: "12px", fontFamily: "inherit" },
    marks: [
      link(births, { x1: "from", x2: "from", y1: "parent", y2: "row", strokeOpacity: 0.45 }),
      barX(spans, {
        x1: "from",
        x2: "shown",
        y: "row",
        fill: (one) => phaseFill(run, one.phase),
        stroke: "var(--line)",
        title: "title",
      }),
      text(spans, {
        x: "from",
        y: "row",
        dx: 9,
        text: (one) => fitted(one.phase, pixels(one.shown - one.from) - 12),
        textAnchor: "start",
        fill: "var(--on-phase)",
      }),
      dot(executions, { x: "at", y: "row", symbol: "triangle", r: 4, fill: "currentColor", title: "title" }),
      dot(entries, {
        x: "at",
        y: "row",
        symbol: "diamond",
        r: 5,
        fill: "var(--accent)",
        stroke: "var(--page)",
        title: "title",
      }),
    ],
  });
}
