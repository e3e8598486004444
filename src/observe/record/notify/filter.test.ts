/** Tests the filters of recordings: nothing is refused, and the launcher's execve alone notifies of nothing. */
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../../abi/architecture.ts";
import { numberOf } from "../../../abi/calls.ts";
import { splitReturnWord } from "../../../abi/return-word.ts";
import { decodeInstructions } from "../../../backend/classic/instruction.ts";
import { runClassic } from "../../../backend/classic/interpreter.ts";
import { memoryReads } from "../memory-reads.ts";
import { neverNotified, recordingFilter } from "./filter.ts";

describe.each(["x86_64", "aarch64"] as const)("on %s", (architecture) => {
  const answer = (notified: "all" | Iterable<number>, number: number, given = {}) => {
    const { instructions, tokenPositions } = recordingFilter(architecture, notified);
    const armed = instructions.slice();
    tokenPositions.forEach((position, index) => {
      new DataView(armed.buffer).setUint32(8 * position + 4, 0x1111 * (index + 1), true);
    });
    const input = {
      number,
      architecture: auditArchitecture[architecture],
      instructionPointer: 0n,
      arguments: [],
      ...given,
    };
    return splitReturnWord(runClassic(decodeInstructions(armed), input).word).action;
  };
  const token = [0n, 0n, 0n, 0n, 0x2222_0000_1111n, 0x4444_0000_3333n];
  const [execve, openat, getpid] = ["execve", "openat", "getpid"].map((name) => numberOf(name, architecture)!);

  it("notifies of every call that can be interrupted, or those that are wanted", () => {
    const wanted = [...memoryReads(architecture).keys()];
    expect([answer("all", getpid!), answer("all", 9_999), answer("all", execve!)]).toEqual(Array(3).fill("USER_NOTIF"));
    expect([answer(wanted, openat!), answer(wanted, execve!)]).toEqual(["USER_NOTIF", "USER_NOTIF"]);
    for (const name of neverNotified) expect(answer("all", numberOf(name, architecture)!)).toBe("ALLOW");
    expect(answer(wanted, getpid!)).toBe("ALLOW");
    expect(answer(wanted, getpid!, { architecture: 0x4000_0003 })).toBe("USER_NOTIF");
  });

  it("the launcher's execve has the token, in all four halves", () => {
    expect(answer("all", execve!, { arguments: token })).toBe("ALLOW");
    expect(answer("all", openat!, { arguments: token })).toBe("USER_NOTIF");
    for (const bit of [0n, 32n]) {
      for (const index of [4, 5]) {
        const other = token.map((word, at) => (at === index ? word ^ (1n << bit) : word));
        expect(answer("all", execve!, { arguments: other })).toBe("USER_NOTIF");
      }
    }
  });
});
