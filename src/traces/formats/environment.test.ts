import { describe, expect, it } from "vitest";
import { withoutValues } from "./environment.ts";
import { readJsonTrace } from "./json.ts";
import { printTraceCall } from "./words.ts";

const trace = `{"v":1,"kind":"start","tid":1,"uid":0,"gid":0,"architecture":"x86_64"}
{"v":1,"kind":"call","tid":1,"call":"execve","arguments":["0x10","0x20","0x30"],"memory":{"path":"/bin/a","argv":["a","T=1"],"envp":["TOKEN=hidden",{"starts":"LONG=hidden"},"A="]}}
`;

describe("the environment in a recorded call", () => {
  const event = readJsonTrace(trace, "t", "x86_64").runs[0]!.events.find(({ kind }) => kind === "call")!;
  if (event.kind !== "call") throw new Error(event.kind);

  it("is printed by its names", () => {
    expect(printTraceCall(event, { architecture: "x86_64" })).toBe(
      'execve("/bin/a", ["a", "T=1"], ["TOKEN="..., "LONG="..., "A="...])',
    );
  });

  it("is the same object where there is none", () => {
    const memory = new Map([["path", { is: "absent" } as const]]);
    expect(withoutValues(memory)).toBe(memory);
  });
});
