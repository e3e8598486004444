import { describe, expect, it } from "vitest";
import { callByName } from "./calls.ts";
import { pointeeOf, structures } from "./pointees.ts";
import { rewritesOf, rewrittenArguments } from "./rewrites.ts";

describe("rewrites of arguments", () => {
  it("are found by call and argument", () => {
    expect(rewritesOf("socket", "family", "x86_64")).toEqual([
      {
        when: [
          { parameter: "family", mask: 0xffff_ffffn, values: [2n] },
          { parameter: "type", mask: 0xfn, values: [10n] },
        ],
        clear: 0xffff_ffffn,
        set: 17n,
      },
    ]);
    expect(rewritesOf("socketpair", "protocol", "x86_64")).toEqual([]);
    expect(rewritesOf("getpid", "family", "x86_64")).toEqual([]);
  });

  it("differ between architectures if the flags do", () => {
    const cleared = (architecture: "x86_64" | "aarch64") =>
      rewritesOf("openat", "flags", architecture).filter(({ when }) => when.length === 0)[0]?.clear;
    expect(cleared("x86_64")).toBe(0o100000n);
    expect(cleared("aarch64")).toBe(0o400000n);
  });

  it("are one shared list for calls with equal rewrites", () => {
    expect(rewritesOf("open", "flags", "x86_64")).toBe(rewritesOf("openat", "flags", "x86_64"));
    expect(rewritesOf("chmod", "mode", "x86_64")).not.toBe(rewritesOf("mkdir", "mode", "x86_64"));
  });

  it("name existing arguments, and test only what no rewrite changes of others", () => {
    // Family and type are asked for what no rewrite changes or makes: AF_UNIX, AF_INET with SOCK_PACKET, and AF_PACKET.
    // prctl's arg2 is asked for its low half with PR_SET_MM, which no rewrite changes.
    const asked = ["socket.family", "socketpair.family", "socket.type", "socketpair.type", "prctl.arg2"];
    expect(rewrittenArguments().length).toBeGreaterThan(20);
    for (const argument of rewrittenArguments()) {
      const [call = "", ...rest] = argument.split(".");
      const parameter = rest.join(".");
      const behind = pointeeOf(call, rest[0]!);
      const names = [
        ...(callByName(call)?.parameters.map((one) => one.name) ?? []),
        ...(behind?.is === "structure"
          ? structures[behind.structure].fields.map(({ name }) => `${rest[0]}.${name}`)
          : []),
      ];
      expect(names, argument).toContain(parameter);
      for (const architecture of ["x86_64", "aarch64"] as const) {
        for (const { when, clear, set } of rewritesOf(call, parameter, architecture)) {
          expect(clear | set, argument).not.toBe(0n);
          for (const condition of when) {
            expect(names, argument).toContain(condition.parameter);
            expect(
              condition.values.every((value) => (value & ~condition.mask) === 0n),
              argument,
            ).toBe(true);
            if (condition.parameter !== parameter && !asked.includes(`${call}.${condition.parameter}`)) {
              expect(rewritesOf(call, condition.parameter, architecture), argument).toEqual([]);
            }
          }
        }
      }
    }
  });
});
