import { expect, it } from "vitest";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { sortAccepted, vainAcceptances } from "./accepted.ts";

const span = { file: "p.ts", line: 4, column: 3, length: 5 };
const warnings = [
  diagnostic("P0501", "a sibling", { span }),
  diagnostic("P0502", "a text", { span }),
  diagnostic("P0501", "another line", { span: { ...span, line: 5 } }),
  diagnostic("P0204", "an error", { span }),
  diagnostic("P0909", "of no place"),
];

it.each([
  ["one code on one line", ["", "", "  // accept P0501: meant", "  line"], ["a sibling"]],
  ["several codes", ["", "", "// accept P0501, P0502: meant", "line"], ["a sibling", "a text"]],
  [
    "several comments",
    ["// accept P0502: this", "// accept P0501: that", "// and more", "line"],
    ["a sibling", "a text"],
  ],
  ["in a conditional expression", ["", "f(x)", "  ? // accept P0502: meant", "line"], ["a text"]],
  ["nothing after code", ["", "", "f(x); // accept P0502: meant", "line"], []],
  ["nothing without a reason", ["", "", "// accept P0501:", "line"], []],
  ["nothing at a distance", ["", "// accept P0501: meant", "", "line"], []],
  ["nothing on the same line", ["", "", "", "line // accept P0501: meant"], []],
  ["no error", ["", "", "// accept P0204: meant", "line"], []],
])("accepts %s", (_, lines, expected) => {
  const sorted = sortAccepted(warnings, new Map([["p.ts", lines.join("\n")]]));
  expect(sorted.accepted.map(({ message }) => message)).toEqual(expected);
  expect(sorted.left).toEqual(warnings.filter((one) => !sorted.accepted.includes(one)));
});

it("a comment about a code that is no warning is a warning", () => {
  const lines = ["f(); // accept P0501: meant", "  // accept P9999, P0204: meant", "// accept P9999", ""];
  expect(
    vainAcceptances(["p.ts", "none.ts"], new Map([["p.ts", lines.join("\n")]])).map(({ message, span }) => [
      message,
      span,
    ]),
  ).toEqual([
    ["there is no P9999", { file: "p.ts", line: 2, column: 3, length: 29 }],
    ["P0204 is an error, which no comment accepts", { file: "p.ts", line: 2, column: 3, length: 29 }],
  ]);
});
