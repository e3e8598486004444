/** The answers of a tree's server of names. */

import { decode, encode, type Question } from "dns-packet";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { property } from "../ir/testing/property.ts";
import { answer, StandIns } from "./dns.ts";

const lookUp = (name: string): string | undefined => (name === "example.org" ? "127.1.0.1" : undefined);

function ask(questions: readonly Question[], flags = 0x100) {
  const given = answer(encode({ type: "query", id: 4242, flags, questions: [...questions] }), lookUp);
  return given === undefined ? undefined : { ...given, packet: decode(Buffer.from(given.bytes)) };
}

describe("a query", () => {
  it("for the address of a permitted name gets the address that stands for it", () => {
    const given = ask([{ type: "A", name: "Example.ORG" }]);
    expect(given?.packet).toMatchObject({ id: 4242, type: "response", rcode: "NOERROR", flag_rd: true, flag_ra: true });
    expect(given?.packet.answers).toEqual([
      expect.objectContaining({ type: "A", name: "Example.ORG", data: "127.1.0.1" }),
    ]);
    expect(given?.refused).toBeUndefined();
  });

  it.each(["AAAA", "TXT", "MX", "SRV"] as const)("for %s of a permitted name gets an empty answer", (type) => {
    expect(ask([{ type, name: "example.org" }])?.packet).toMatchObject({ rcode: "NOERROR", answers: [] });
  });

  it.each(["evil.org", "example.org.evil.org", "secret.example.org", ""])(
    "for %j is refused, and not forwarded",
    (name) => {
      expect(ask([{ type: "A", name }])).toMatchObject({
        refused: name || ".",
        packet: { rcode: "NXDOMAIN", answers: [] },
      });
    },
  );

  it("of another class is refused", () => {
    expect(ask([{ type: "A", name: "example.org", class: "CH" }])?.packet).toMatchObject({ rcode: "NXDOMAIN" });
  });

  it("of another operation is not implemented", () => {
    expect(ask([{ type: "A", name: "example.org" }], 0x2800)?.packet).toMatchObject({ rcode: "NOTIMP" });
  });

  it("without a question, with two, or a response gets no answer", () => {
    const question: Question = { type: "A", name: "example.org" };
    expect(ask([])).toBeUndefined();
    expect(ask([question, question])).toBeUndefined();
    expect(answer(encode({ type: "response", questions: [question] }), lookUp)).toBeUndefined();
  });
});

property([fc.uint8Array({ maxLength: 600 })])("any bytes get an answer or none", (bytes) => {
  answer(bytes, lookUp);
  answer(Uint8Array.of(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...bytes), lookUp);
});

describe("addresses that stand for names", () => {
  it("are of 127.1.0.0/16, one for each name, and end", () => {
    const standIns = new StandIns();
    expect(standIns.addressOf("a.org")).toBe("127.1.0.1");
    expect(standIns.addressOf("b.org")).toBe("127.1.0.2");
    expect(standIns.addressOf("a.org")).toBe("127.1.0.1");
    expect(standIns.nameOf("127.1.0.2")).toBe("b.org");
    expect(standIns.nameOf("127.1.0.3")).toBeUndefined();
    for (let index = 0; index < 70_000; index++) standIns.addressOf(`${index}.org`);
    expect(standIns.addressOf("65532.org")).toBe("127.1.255.255");
    expect(standIns.addressOf("65533.org")).toBeUndefined();
  });
});
