import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { capabilities, withoutCapabilities } from "./capabilities.ts";

function effective(): bigint {
  const [, mask] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/thread-self/status", "utf8"))!;
  return BigInt(`0x${mask}`);
}

describe("withoutCapabilities", () => {
  const both = (1n << BigInt(capabilities.systemAdministration)) | (1n << BigInt(capabilities.perfmon));

  it("drops the given capabilities and restores them, also after an exception", () => {
    const before = effective();
    const which = [capabilities.systemAdministration, capabilities.perfmon];
    expect(withoutCapabilities(which, effective)).toBe(before & ~both);
    expect(effective()).toBe(before);
    expect(() =>
      withoutCapabilities(which, () => {
        throw new Error("work");
      }),
    ).toThrow("work");
    expect(effective()).toBe(before);
  });
});
