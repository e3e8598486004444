/** A machine takes six seconds to boot, and as long again until its programs are translated. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { filesOfParts } from "../support/parts.ts";
import { inSharedMachine } from "./shared-machine.ts";

it("`make test` boots one machine", () => {
  const left = new Set<string>([...inSharedMachine, ...filesOfParts.map(([, file]) => file)]);
  const files = readdirSync("test", { recursive: true, encoding: "utf8" }).map((name) => `test/${name}`);
  const booting = files.filter((file) => {
    if (!file.endsWith(".test.ts") || left.has(file)) return false;
    return /\b(?:inMachine|eachInMachine|casesInMachine|shareMachine)\(/.test(readFileSync(file, "utf8"));
  });
  expect(booting).toEqual(["test/kernel/patched.test.ts"]);
});
