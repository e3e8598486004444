import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { sha256 } from "./sha256.ts";

describe("sha256", () => {
  it("has the digests of node:crypto, at all lengths of a last block and beyond the native limit", () => {
    for (const length of [...Array.from({ length: 130 }, (_, index) => index), 4096, 512 * 1024, 512 * 1024 + 1]) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 31 + length) & 0xff);
      expect(sha256(bytes).toString("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
    }
  });

  it("encodes a text as UTF-8", () => {
    expect(sha256("caf\u00e9").toString("hex")).toBe(createHash("sha256").update("caf\u00e9").digest("hex"));
  });
});
