import { expect, it } from "vitest";
import { sourceOf } from "../traces/blocks.ts";
import { formOf } from "./trace-events.ts";

it.each([
  ["", "empty"],
  ["\n \n", "empty"],
  ['\n{"v":1,"kind":"call","tid":1}\n', "trace"],
  ['{"v":1,"kind":"decision","call":"read"}\n', "events"],
  ['{"v":1,"kind":"notice"}', "events"],
  ['{"v":1,"kind":5}\n', "trace"],
  ["{ not JSON\n", "trace"],
  ['7 read(3, "", 0) = 0\n', "strace"],
])("the form of a file is that of its first line: %j", (text, form) => {
  expect(formOf(sourceOf(Buffer.from(text)))).toBe(form);
});
