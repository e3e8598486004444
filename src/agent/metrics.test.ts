import { expect, test } from "vitest";
import { latencyBounds } from "../engines/engine/status.ts";
import { Metrics } from "./metrics.ts";
import { isOfThisMachine, metricsPlace } from "./metrics-server.ts";

const counting = () => new Metrics(() => ({ trees: 2, policies: 1, restarts: 0, count: () => undefined }));

test("metrics have the counts by their labels", async () => {
  const metrics = counting();
  metrics.calls("nginx", "allow", 3);
  metrics.calls("nginx", "allow", 4);
  metrics.refusal("nginx", "mkdir", { pod: "web-1", namespace: "default", container: "web" }, 'a"b.ts:1:2', 1);
  metrics.lostEvents(5);
  const lines = (await metrics.text()).split("\n");
  for (const line of [
    'portcullis_calls_total{policy="nginx",verdict="allow"} 7',
    'portcullis_refusals_total{policy="nginx",line="a\\"b.ts:1:2",call="mkdir",container="default/web-1/web"} 1',
    "portcullis_trees 2",
    "portcullis_policies 1",
    "portcullis_restarts_total 0",
    "portcullis_lost_events_total 5",
  ])
    expect(lines).toContain(line);
});

test("judgements are counted in running sums of their buckets", async () => {
  const metrics = counting();
  const some = new Array<number>(latencyBounds.length + 2).fill(0);
  metrics.judged(some.with(0, 2).with(1, 3).with(-1, 40));
  metrics.judged(some.with(-2, 1).with(-1, 2_000_000));
  const text = await metrics.text();
  for (const line of [
    "# TYPE portcullis_judgement_seconds histogram",
    'portcullis_judgement_seconds_bucket{le="0.000005"} 2',
    'portcullis_judgement_seconds_bucket{le="0.00001"} 5',
    'portcullis_judgement_seconds_bucket{le="0.1"} 5',
    'portcullis_judgement_seconds_bucket{le="+Inf"} 6',
    "portcullis_judgement_seconds_sum 2.00004",
    "portcullis_judgement_seconds_count 6",
  ])
    expect(text.split("\n")).toContain(line);
});

test("a container that makes calls of all numbers does not take the labels of others", async () => {
  const metrics = counting();
  const refuse = (containerId: string, call: string) => metrics.refusal("p", call, { containerId }, "p.ts:1:1", 1);
  for (let call = 0; call < 1000; call++) refuse("hostile", `call_${call}`);
  refuse("ordinary", "mkdir");
  const refusals = (await metrics.text()).split("\n").filter((line) => line.startsWith("portcullis_refusals_total{"));
  expect(refusals).toHaveLength(66);
  expect(refusals).toContain('portcullis_refusals_total{policy="p",line="",call="other",container="hostile"} 936');
  expect(refusals.at(-1)).toContain('call="mkdir",container="ordinary"');
  for (let id = 0; id < 10_000; id++) refuse(`c${id}`, "mkdir");
  expect((await metrics.text()).split("\n").length).toBeLessThan(4200);
  metrics.ended({ containerId: "hostile" });
  refuse("later", "mkdir");
  const text = await metrics.text();
  expect(text).toContain('container="later"');
  expect(text).not.toContain('container="hostile"');
});

test.each([
  ["/run/m.sock", { path: "/run/m.sock" }, true],
  [":9464", { host: "127.0.0.1", port: 9464 }, true],
  ["localhost:1", { host: "127.0.0.1", port: 1 }, true],
  ["[::1]:9464", { host: "::1", port: 9464 }, true],
  ["0.0.0.0:9464", { host: "0.0.0.0", port: 9464 }, false],
  ["[::]:9464", { host: "::", port: 9464 }, false],
] as const)("metrics on %s", (text, place, isOwn) => {
  expect(metricsPlace(text)).toEqual(place);
  expect(isOfThisMachine(place)).toBe(isOwn);
});

test.each(["9464", "example.org:1", "127.0.0.1:99999", "[::1]", ""])("no metrics on %j", (text) => {
  expect(metricsPlace(text)).toBe(undefined);
});
