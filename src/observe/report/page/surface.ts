/** The attack surface as steps over time: a line for each series, named at its end, with a dash of its own. */
import { dot, lineY, plot, ruleY, text } from "@observablehq/plot";
import { grouped, type RunCharts } from "../model.ts";
import { atTime, axisName, short } from "./parts.ts";

const dashes = ["", "6 3", "2 3", "8 3 2 3"] as const;

export function drawSurface(run: RunCharts, width: number): Element {
  const end = run.length || 1;
  const lines = run.surface.map(({ name, about, steps }, index) => {
    const points = steps.map(([time, value]) => ({
      time,
      value,
      title: `${name}: ${grouped(value)} ${about.replace(/^different /, "")}, from ${atTime(run, time)}`,
    }));
    const last = points.at(-1);
    return { name, index, points, drawn: last === undefined ? [] : [...points, { ...last, time: end }] };
  });
  const ends = spread(
    lines.flatMap(({ name, index, drawn }) =>
      drawn.length === 0 ? [] : [{ name, index, value: drawn.at(-1)!.value }],
    ),
  );
  return plot({
    ...{ width, height: 280, marginLeft: 44, marginRight: 118, marginTop: 24, marginBottom: 36 },
    x: {
      domain: [0, end],
      label: axisName(run),
      ticks: Math.max(2, Math.floor(width / 130)),
      tickFormat: (time: number) => short(time),
    },
    y: { label: "↑ different calls", grid: true, zero: true, nice: true },
    style: { background: "none", color: "inherit", fontSize: "12px", fontFamily: "inherit" },
    marks: [
      ruleY([0]),
      ...lines.map(({ drawn, index }) =>
        lineY(drawn, {
          x: "time",
          y: "value",
          curve: "step-after",
          stroke: `var(--series-${index})`,
          strokeWidth: 2,
          strokeDasharray: dashes[index % dashes.length]!,
        }),
      ),
      ...lines.map(({ points, index }) =>
        dot(points, { x: "time", y: "value", r: 2.5, fill: `var(--series-${index})`, title: "title" }),
      ),
      text(ends, {
        x: () => end,
        y: "value",
        dx: 6,
        text: "name",
        textAnchor: "start",
        fill: (one) => `var(--series-${one.index})`,
      }),
    ],
  });
}

/** Moves names apart that would cover each other. */
function spread<End extends { readonly value: number }>(ends: readonly End[]): End[] {
  const gap = 0.065 * Math.max(1, ...ends.map(({ value }) => value));
  const sorted = [...ends].sort((one, other) => one.value - other.value);
  let least = Number.NEGATIVE_INFINITY;
  return sorted.map((end) => {
    const value = Math.max(end.value, least);
    least = value + gap;
    return { ...end, value };
  });
}
