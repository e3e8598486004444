/** Messages of the proxy's process, which are not trusted. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { property } from "../ir/testing/property.ts";
import { parseMessage } from "./messages.ts";

it("a message has the members that it needs, and no others", () => {
  const refusal = { host: "a.org", port: 443, route: "socks", reason: "none", rule: "--hosts" };
  const given = { kind: "refused", refusal: { ...refusal, other: 1 }, other: 2 };
  expect(parseMessage(JSON.stringify(given))).toEqual({ kind: "refused", refusal });
  expect(parseMessage('{"kind":"ready","port":3128}')).toEqual({ kind: "ready", port: 3128 });
  expect(parseMessage('{"kind":"dropped","count":7}')).toEqual({ kind: "dropped", count: 7 });
});

it.each([
  ...["", "{", "null", "[]", "1", '{"kind":"ready"}', '{"kind":"refused"}', '{"kind":"refused","refusal":null}'],
  ...['{"kind":"refused","refusal":{"host":1,"route":"socks","reason":""}}', '{"kind":"dropped","count":"1"}'],
  ...['{"kind":"refused","refusal":{"host":"a","route":"other","reason":""}}', '{"kind":"other"}'],
])("%j is none", (line) => {
  expect(parseMessage(line)).toBeUndefined();
});

property([fc.json()])("any JSON is a message or none", (line) => {
  const message = parseMessage(line);
  if (message !== undefined) expect(["ready", "refused", "dropped"]).toContain(message.kind);
});
