/**
 * Tests the claims of tools/generate/rewrites.ts on the running kernel: calls with arguments that it lists as
 * equivalent have the same effect, and a policy sees the same value in both.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { hostArchitecture } from "../../src/abi/architecture.ts";
import { callByName } from "../../src/abi/calls.ts";
import { rewrittenArguments } from "../../src/abi/rewrites.ts";
import { ask } from "../language/ask.ts";
import { kernelBits } from "../language/kernel-bits.ts";
import { prepare, victim } from "./run.ts";

interface Trial {
  readonly argument: string;
  readonly values: readonly bigint[];
  readonly outcomes: readonly number[];
  /** Other relevant arguments, by position. */
  readonly others: ReadonlyMap<string, bigint>;
}

const architecture = hostArchitecture()!;
let trials: readonly Trial[] = [];

beforeAll(async () => {
  await prepare();
  const folder = mkdtempSync(join(tmpdir(), "portcullis-rewrites-"));
  try {
    // The child has its own namespaces, in which it has the needed privileges.
    const output = execFileSync("unshare", ["-Urmn", victim("rewrites")], { cwd: folder, encoding: "utf8" });
    trials = output.trimEnd().split("\n").map(readTrial);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function readTrial(line: string): Trial {
  const [left = "", middle = "", right = ""] = line.split("|");
  const [argument = "", ...values] = left.trim().split(" ");
  const others = right.trim().split(" ").filter(Boolean);
  return {
    argument,
    values: values.map((value) => BigInt(`0x${value}`)),
    outcomes: middle.trim().split(" ").map(Number),
    others: new Map(others.map((text) => [text.split("=")[0]!, BigInt(text.split("=")[1]!)])),
  };
}

describe("this kernel", () => {
  it("is tested for every rewritten argument", () => {
    const here = rewrittenArguments().filter(
      (argument) => callByName(argument.split(".")[0]!)?.number[architecture] !== undefined,
    );
    const asked = new Set(trials.map(({ argument }) => argument));
    // open_by_handle_at needs CAP_DAC_READ_SEARCH outside a user namespace; it calls the same function as openat.
    expect(here.filter((argument) => !asked.has(argument))).toEqual(["open_by_handle_at.flags"]);
  });

  it("gives equivalent arguments the same effect, and a different argument another one", () => {
    for (const { argument, values, outcomes, others } of trials) {
      const [first, second, third] = outcomes;
      const newer = others.get("newer");
      // An older kernel rejects newer flags with this errno.
      if (newer === undefined || first !== -Number(newer)) {
        expect(first, `${argument} ${values}`).toBe(second);
        if (argument !== "socketpair.family" || first !== third) expect(third, argument).not.toBe(first);
      }
    }
  });
});

describe("a policy", () => {
  it("sees the same value in equivalent arguments", () => {
    // For mmap.flags and futex.op the names are equivalent, not the bits (src/abi/flags.test.ts). setns joins by 0 what
    // each of several flags joins, and listen takes every large backlog for the system's limit. how.flags is in memory:
    // test/language/observed.test.ts has these values.
    const excluded = ["mmap.flags", "futex.op", "setns.flags", "listen.backlog", "openat2.how.flags"];
    for (const { argument, values, others } of trials.filter((one) => !excluded.includes(one.argument))) {
      const [name = "", parameter = ""] = argument.split(".");
      const call = callByName(name)!;
      const at = (wanted: string) => call.parameters.findIndex((one) => one.name === wanted);
      const kind = call.parameters[at(parameter)]!.kind.is;
      const integer = `call.args.${parameter}${kind === "flags" ? ".bits" : kind === "choice" ? ".value" : ""}`;
      const registers = (value: bigint) => {
        const words = [0n, 0n, 0n, 0n, 0n, 0n];
        for (const [other, word] of others) if (at(other) >= 0) words[at(other)] = word;
        words[at(parameter)] = value;
        return words;
      };
      const [one = 0n, alike = 0n] = values;
      const value = kernelBits(call, call.parameters[at(parameter)]!, registers(alike), architecture);
      const judge = ask(
        `return call.name === "${name}" && BigInt.asUintN(64, ${integer}) === ${value}n ? deny("EPERM") : allow;`,
        architecture,
      );
      expect(judge?.(name, ...registers(alike)), `${argument} ${alike}`).toBe("deny EPERM");
      expect(judge?.(name, ...registers(one)), `${argument} ${one}`).toBe("deny EPERM");
    }
  });
});
