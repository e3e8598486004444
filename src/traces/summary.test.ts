/** Tests the counts of a trace. */
import { expect, it } from "vitest";
import { summarise } from "./summary.ts";

const line = (text: string) => ({ kind: "line", text }) as const;

it("counts runs, tasks, calls and failures", () => {
  const summary = summarise(
    [
      '{"v":1,"kind":"recording","recorder":"tracefs","began":"2026-11-26T04:00:00.000Z","command":["a","b"],"unknown":["x"]}',
      '{"v":1,"kind":"start","tid":7}',
      '{"v":1,"kind":"call","tid":7,"time":1000000000,"call":"openat","result":-2}',
      '{"v":1,"kind":"call","tid":7,"time":2000000000,"call":"openat"}',
      '{"v":1,"kind":"return","tid":7,"time":3000000000,"result":-13}',
      '{"v":1,"kind":"thread","tid":7,"child":8}',
      '{"v":1,"kind":"lost","count":5}',
      '{"v":1,"kind":"start","tid":9}',
      '{"v":1,"kind":"call","tid":9,"number":999}',
      "nonsense",
      "",
    ].map(line),
  );
  const [first, second] = summary.runs;
  expect(first).toMatchObject({ recorder: "tracefs", command: ["a", "b"], unknown: ["x"], calls: 2, seconds: 2 });
  expect(first).toMatchObject({ processes: 1, threads: 1, lost: 5 });
  expect(second).toMatchObject({ recorder: undefined, calls: 1, processes: 1 });
  expect(summary.calls).toEqual([
    { call: "openat", count: 2, failed: 2, runs: 1 },
    { call: "call_999", count: 1, failed: undefined, runs: 1 },
  ]);
  expect(summary.malformed).toBe(1);
});
