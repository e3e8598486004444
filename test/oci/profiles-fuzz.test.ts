/** Random bytes and mutated profiles: no crash, and no program from an invalid profile. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { compileOciProfile } from "../../src/frontend/oci/compile.ts";
import { checkProgram } from "../../src/ir/check.ts";
import { SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { type Choices, pick, weighted } from "../../src/ir/testing/choices.ts";
import { casesOf, seeds } from "../../src/ir/testing/seeds.ts";

const fixtures = fileURLToPath(new URL("../fixtures/oci", import.meta.url));
const corpus = [
  readFileSync("/usr/share/containers/seccomp.json", "utf8"),
  ...readdirSync(fixtures)
    .filter((name) => name.endsWith(".json"))
    .map((name) => readFileSync(`${fixtures}/${name}`, "utf8")),
];
const pieces = [
  ...[
    '"',
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e400",
    "0",
    "18446744073709551616",
    "\\u0000",
    "\ud800",
  ],
  ...['"args":[]', '"action":"SCMP_ACT_ALLOW"', '"names":["read"]', '"index":6', '"errnoRet":0', '"op":"SCMP_CMP_EQ"'],
  ...['"__proto__":{}', '"constructor":1', "SCMP_ACT_", "\u2028", "\u0000", "\uFEFF"],
];

/** Checks the invariants of every input. */
function survives(text: string, seed: number): "program" | "errors" {
  const { program, diagnostics } = compileOciProfile(text, "fuzz.json", { architecture: "x86_64" });
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  expect(program === undefined, `seed ${seed}`).toBe(errors.length > 0);
  renderDiagnostics(diagnostics, new Map([["fuzz.json", text]]), { colour: true });
  const lines = text.split("\n").length;
  for (const { span } of diagnostics) {
    expect(span, `seed ${seed}`).toBeDefined();
    expect(span!.line >= 1 && span!.line <= lines && span!.column >= 1 && span!.length >= 1, `seed ${seed}`).toBe(true);
  }
  if (program === undefined) return "errors";
  expect(checkProgram(program), `seed ${seed}`).toEqual([]);
  // An accepted profile is JSON, and the result of JSON.parse has at least a default action.
  const parsed = JSON.parse(text) as { defaultAction?: unknown };
  expect(parsed.defaultAction, `seed ${seed}`).toMatch(/^SCMP_ACT_/);
  return "program";
}

function mutate(choices: Choices): string {
  let text = pick(choices, corpus);
  for (let rounds = 1 + choices.below(3); rounds > 0; rounds--) {
    const place = choices.below(text.length + 1);
    const end = Math.min(text.length, place + choices.below(30));
    text = weighted(choices, [
      [3, () => text.slice(0, place) + text.slice(end)],
      [
        4,
        () =>
          text.slice(0, place) +
          pick(choices, pieces) +
          text.slice(
            weighted(choices, [
              [1, () => place],
              [1, () => end],
            ]),
          ),
      ],
      [2, () => text.slice(0, place) + String.fromCharCode(choices.below(0x300)) + text.slice(place + 1)],
      [1, () => text.slice(0, place) + text.slice(place, end) + text.slice(place)],
      [1, () => text.slice(0, place)],
      [2, () => swapWords(text, choices)],
    ]);
  }
  return text;
}

/** Replaces a word of the profile by another one: still JSON, often with another meaning. */
function swapWords(text: string, choices: Choices): string {
  const words = [...text.matchAll(/"[A-Za-z_0-9]+"|\b[0-9]+\b/g)];
  if (words.length === 0) return text;
  const [from, to] = [pick(choices, words), pick(choices, words)];
  return text.slice(0, from.index) + to[0] + text.slice(from.index + from[0].length);
}

function randomBytes(choices: Choices): string {
  const bytes = Uint8Array.from({ length: choices.below(200) }, () => choices.below(256));
  return new TextDecoder().decode(bytes);
}

it("random bytes are rejected", () => {
  for (const seed of seeds(3000)) expect(survives(randomBytes(new SeededChoices(seed)), seed)).toBe("errors");
});

it("mutated profiles end in a program or in errors", () => {
  const outcomes = { program: 0, errors: 0 };
  for (const seed of seeds(700)) outcomes[survives(mutate(new SeededChoices(seed)), seed)]++;
  expect(outcomes.program).toBeGreaterThan(casesOf(20));
  expect(outcomes.errors).toBeGreaterThan(casesOf(200));
});
