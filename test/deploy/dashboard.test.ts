/** deploy/grafana: the queries of the dashboard use metrics that the agent has, and all of them. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

interface Dashboard {
  readonly templating: { readonly list: readonly { readonly query: string | { readonly query: string } }[] };
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
}

const { templating, panels } = JSON.parse(readFileSync("deploy/grafana/portcullis.json", "utf8")) as Dashboard;

/** The agent's metrics and their labels. */
const metrics: Readonly<Record<string, readonly string[]>> = {
  portcullis_calls_total: ["policy", "verdict"],
  portcullis_refusals_total: ["policy", "call", "container"],
  portcullis_judgement_seconds_bucket: ["le"],
  portcullis_trees: [],
  portcullis_restarts_total: [],
  portcullis_lost_events_total: [],
  portcullis_policies: [],
};
/** Prometheus adds it to each. */
const ofPrometheus = ["instance"];

const namesIn = (query: string): readonly string[] => query.match(/\bportcullis_\w+/g) ?? [];
const queries = panels.flatMap(({ title, targets }) => targets.map((target) => ({ title, ...target })));

it("asks for the agent's metrics, and for each of them", () => {
  const variables = templating.list.map(({ query }) => (typeof query === "string" ? query : query.query));
  const named = [...variables, ...queries.map(({ expr }) => expr)].flatMap(namesIn);
  expect([...new Set(named)].sort()).toEqual(Object.keys(metrics).sort());
});

it.each(queries)("$title: $expr has labels of its metric", ({ expr, legendFormat }) => {
  const [metric, ...others] = namesIn(expr);
  expect(others).toEqual([]);
  const labels = [...metrics[metric!]!, ...ofPrometheus];
  const grouped = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(", ") ?? [];
  const matched = [...expr.matchAll(/(\w+)=~"/g)].map(([, label]) => label!);
  const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!);
  expect(labels).toEqual(expect.arrayContaining([...grouped, ...matched]));
  expect(grouped).toEqual(expect.arrayContaining(shown));
  // Counters are of use as rates; a histogram is one of counters.
  const isCounter = /_total$|_bucket$/.test(metric!);
  if (metric !== "portcullis_lost_events_total") expect(/\b(?:rate|increase)\(/.test(expr)).toBe(isCounter);
  let depth = 0;
  for (const character of expr) {
    depth += "({[".includes(character) ? 1 : ")}]".includes(character) ? -1 : 0;
    expect(depth).toBeGreaterThanOrEqual(0);
  }
  expect(depth).toBe(0);
});

it("has panels that do not overlap", () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const { id, gridPos: a } of panels)
    for (const { id: other, gridPos: b } of panels)
      if (id < other)
        expect(a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y, `${id}, ${other}`).toBe(
          true,
        );
});
