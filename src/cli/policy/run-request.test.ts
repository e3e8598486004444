import { expect, it } from "vitest";
import { parseInvocation } from "../parse.ts";
import { run } from "../verbs/run.ts";
import { runRequest } from "./run-request.ts";

const requestOf = (line: string) => runRequest(parseInvocation(run, [...line.split(" "), "-p", "exec-once", "true"]));

it.each([
  ["0", 0],
  ["0s", 0],
  ["0.0s", 0],
  ["00.00min", 0],
  ["0.5", 500],
  ["1ms", 1],
  ["2min", 120_000],
])("--ask-timeout %s: %d ms", (time, patience) => {
  expect(requestOf(`--ask-timeout ${time}`).questions.patience).toBe(patience);
});

it.each(["0x", "-1", "0.0.0", "soon", "25d"])("--ask-timeout %s is refused", (time) => {
  expect(() => requestOf(`--ask-timeout=${time}`)).toThrow(/is not a duration/);
});

it.each([
  ["-q", undefined, "lines", "reported"],
  ["--events x", { file: "x" }, "json", "reported"],
  ["-q --events fd:3", { fd: 3 }, "json", "reported"],
  ["--audit", { fd: 2 }, "lines", "audit"],
  ["--no-denial-events", { fd: 2 }, "lines", "quiet"],
])("%s: destination, form and mode", (line, destination, form, mode) => {
  expect(requestOf(line)).toMatchObject({ form, mode });
  expect(requestOf(line).destination).toEqual(destination);
});
