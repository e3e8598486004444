/** The parser of SOCKS 5. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { property } from "../ir/testing/property.ts";
import { parseGreeting, parseRequest } from "./socks.ts";

it("a greeting has methods", () => {
  expect(parseGreeting(Uint8Array.of(5, 2, 0, 2, 9))).toEqual({ methods: Uint8Array.of(0, 2), size: 4 });
  expect(parseGreeting(Uint8Array.of(5, 0))).toBe("malformed");
  expect(parseGreeting(Uint8Array.of(4, 1))).toBe("malformed");
});

const name = [...Buffer.from("a.org\0b")];

it.each([
  [[5, 1, 0, 1, 127, 0, 0, 1, 1, 187], { command: 1, host: "127.0.0.1", port: 443, size: 10 }],
  [[5, 1, 0, 3, 7, ...name, 0, 80], { command: 1, host: "a.org\0b", port: 80, size: 14 }],
  [[5, 2, 0, 4, ...new Array(15).fill(0), 1, 0, 22, 7], { command: 2, host: "0:0:0:0:0:0:0:1", port: 22, size: 22 }],
])("the request %j is read", (bytes, expected) => {
  expect(parseRequest(Uint8Array.from(bytes))).toEqual(expected);
});

it.each([[[5, 1, 1, 1, 1]], [[5, 1, 0, 2, 1]], [[4, 1, 0, 80]], [[71, 69, 84]]])("%j is malformed", (bytes) => {
  expect(parseRequest(Uint8Array.from(bytes))).toBe("malformed");
});

property([fc.uint8Array({ maxLength: 300 })])("any bytes are a message, its beginning, or malformed", (bytes) => {
  for (const parse of [parseGreeting, parseRequest]) {
    for (const given of [bytes, Uint8Array.of(5, ...bytes), Uint8Array.of(5, 1, 0, ...bytes)]) {
      const parsed = parse(given);
      if (typeof parsed === "object") expect(parsed.size).toBeLessThanOrEqual(given.length);
      else expect(["malformed", undefined]).toContain(parsed);
    }
  }
});
