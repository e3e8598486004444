import { expect, it } from "vitest";
import { callByName } from "../../abi/calls.ts";
import { MemoryPrinter } from "./memory-json.ts";
import { memoryReads } from "./memory-reads.ts";

it("an environment is recorded without the values of its variables", () => {
  const execve = callByName("execve")!.number.x86_64!;
  const printer = new MemoryPrinter(memoryReads("x86_64"), () => "execve");
  const text = (value: string) => ({ bytes: new TextEncoder().encode(value), isCut: false });
  const texts = (...values: string[]) => ({ is: "texts", entries: values.map(text), isCut: false }) as const;
  const found = [texts("/bin/a"), texts("a", "T=1"), texts("TOKEN=hidden", "hidden")];
  expect(printer.membersOf(execve, "", () => found)).toBe(
    '"memory":{"path":"/bin/a","argv":["a","T=1"],"envp":[{"starts":"TOKEN="},{"starts":""}]}',
  );
});
