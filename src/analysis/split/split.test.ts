import { describe, expect, it } from "vitest";
import type { Input } from "../../ir/inputs.ts";
import {
  type BinaryOperator,
  type BooleanExpression,
  type Cell,
  type CompareOperator,
  type IntegerExpression,
  type Interval,
  noDeclarations,
  type Program,
  type Statement,
  type Table,
} from "../../ir/program.ts";
import type { Verdict } from "../../ir/verdicts.ts";
import type { Decision } from "../decision.ts";
import { splitPolicy } from "./split.ts";

// ── Writing programs by hand ────────────────────────────────────────────────────────────────────────────────────────

const input = (name: Input): IntegerExpression => ({ kind: "input", input: name });
const argument = (index: 0 | 1 | 2 | 3 | 4 | 5) => input(`argument${index}`);
const constant = (value: bigint): IntegerExpression => ({ kind: "constant", value: BigInt.asUintN(64, value) });
const cell = (index: number): IntegerExpression => ({ kind: "cell", cell: index });
const int = (value: IntegerExpression): IntegerExpression => ({ kind: "extend", width: 32, signed: true, value });
const binary = (operator: BinaryOperator, left: IntegerExpression, right: bigint | IntegerExpression) =>
  ({ kind: "binary", operator, left, right: typeof right === "bigint" ? constant(right) : right }) as const;
const compare = (operator: CompareOperator, left: IntegerExpression, right: bigint | IntegerExpression) =>
  ({ kind: "compare", operator, left, right: typeof right === "bigint" ? constant(right) : right }) as const;
const returns = (verdict: number): Statement => ({ kind: "return", verdict: { kind: "verdict", verdict } });
const when = (condition: BooleanExpression, then: Statement[], otherwise: Statement[] = []): Statement => ({
  kind: "if",
  condition,
  then,
  otherwise,
});

/** 0 allow, 1 deny, 2 kill, 3 log, 4 another deny, 5 trap. */
const verdicts: readonly Verdict[] = (["allow", "deny", "kill-process", "log", "deny", "trap"] as const).map(
  (action) => ({ action, errno: action === "deny" ? 1 : 0, reason: undefined, at: undefined }),
);
const phases: Cell = {
  name: "phase",
  scope: "process",
  kind: { is: "phases", names: ["a", "b", "c"] },
  initial: 0n,
  onFork: "copy",
  at: undefined,
};
const counter: Cell = { ...phases, name: "count", kind: { is: "counter" } };
const table: Table = {
  name: "seen",
  scope: "tree",
  capacity: 4,
  full: 1,
  onFork: "fresh",
  holdsValues: true,
  at: undefined,
};

function program(body: readonly Statement[], more: Partial<Program> = {}): Program {
  return {
    architecture: "x86_64",
    name: "test",
    files: ["test.ts"],
    admission: { always: [], judged: [{ from: 0n, to: 99n }] },
    verdicts,
    ...noDeclarations,
    cells: [phases, counter],
    tables: [table],
    reports: [{ text: "seen", values: [], at: undefined }],
    locals: ["integer", "boolean", "verdict"],
    body,
    ...more,
  };
}

// ── Reading decisions ───────────────────────────────────────────────────────────────────────────────────────────────

/** "argument0&0xff in 3,5-7 ? allow : (…)"; a leaf is its possible verdicts, then `*` and why it is stateful. */
function show(decision: Decision): string {
  if (decision.kind === "leaf") {
    const reasons = decision.stateful.map((reason) =>
      "cell" in reason
        ? `${reason.because} ${reason.cell}`
        : "table" in reason
          ? `${reason.because} ${reason.table}`
          : "input" in reason
            ? `${reason.because} ${reason.input}`
            : reason.because,
    );
    return `${decision.possible.join("|")}${reasons.length === 0 ? "" : `*(${reasons.join(", ")})`}`;
  }
  const { word, mask, intervals } = decision.test;
  const set = intervals
    .map(({ from, to }: Interval) => (from === to ? from.toString(16) : `${from.toString(16)}-${to.toString(16)}`))
    .join();
  const part = mask === 0xffff_ffff_ffff_ffffn ? "" : `&${mask.toString(16)}`;
  return `${word.replace("argument", "a")}${part} in ${set} ? ${show(decision.then)} : (${show(decision.otherwise)})`;
}

function split(body: readonly Statement[], number = 0, more: Partial<Program> = {}): string {
  return show(splitPolicy(program(body, more), { superviseProcessCreation: false }).get(number)!);
}

/** The one test to which a condition reduces. */
function testOf(condition: BooleanExpression): string {
  return split([when(condition, [returns(1)]), returns(0)]);
}

describe("conditions on arguments", () => {
  it.each<[string, BooleanExpression, string]>([
    ["a whole register", compare("equal", argument(0), 5n), "a0 in 5 ? 1 : (0)"],
    ["an int", compare("equal", int(argument(0)), -100n), "a0&ffffffff in ffffff9c ? 1 : (0)"],
    ["an int below a limit", compare("less-signed", int(argument(0)), 5n), "a0&ffffffff in 5-7fffffff ? 0 : (1)"],
    [
      "an unsigned int",
      compare("less-unsigned", { kind: "extend", width: 32, signed: false, value: argument(1) }, 5n),
      "a1&ffffffff in 5-ffffffff ? 0 : (1)",
    ],
    ["a signed register", compare("less-signed", argument(0), 0n), "a0 in 8000000000000000-ffffffffffffffff ? 1 : (0)"],
    ["a flag", compare("not-equal", binary("and", argument(2), 0x40n), 0n), "a2&40 in 40 ? 1 : (0)"],
    [
      "one of two flags",
      {
        kind: "any",
        of: [
          compare("not-equal", binary("and", argument(2), 0x40n), 0n),
          compare("not-equal", binary("and", argument(2), 1n), 0n),
        ],
      },
      "a2&41 in 0 ? 0 : (1)",
    ],
    [
      "both of two flags",
      {
        kind: "all",
        of: [
          compare("not-equal", binary("and", argument(2), 0x40n), 0n),
          compare("not-equal", binary("and", argument(2), 1n), 0n),
        ],
      },
      "a2&41 in 41 ? 1 : (0)",
    ],
    [
      "a field and a flag",
      {
        kind: "all",
        of: [
          compare("equal", binary("and", argument(1), 0xfn), 3n),
          compare("equal", binary("and", argument(1), 0x800n), 0n),
        ],
      },
      "a1&80f in 3 ? 1 : (0)",
    ],
    [
      "one of two values",
      { kind: "any", of: [compare("equal", argument(0), 3n), compare("equal", argument(0), 4n)] },
      "a0 in 3-4 ? 1 : (0)",
    ],
    [
      "a range in two parts",
      {
        kind: "all",
        of: [compare("less-unsigned", constant(3n), argument(0)), compare("less-unsigned", argument(0), 9n)],
      },
      "a0 in 4-8 ? 1 : (0)",
    ],
    ["or with a constant", compare("equal", binary("or", argument(0), 1n), 5n), "a0&fffffffffffffffe in 4 ? 1 : (0)"],
    ["xor with a constant", compare("equal", binary("xor", argument(0), 1n), 5n), "a0 in 4 ? 1 : (0)"],
    [
      "an added constant that wraps",
      compare("less-unsigned", binary("add", argument(0), 1n), 3n),
      "a0 in 2-fffffffffffffffe ? 0 : (1)",
    ],
    [
      "a constant less an argument",
      compare("equal", binary("subtract", constant(10n), argument(0)), 4n),
      "a0 in 6 ? 1 : (0)",
    ],
    [
      "a shift right",
      compare("equal", binary("shift-right-unsigned", argument(0), 8n), 0x54n),
      "a0&ffffffffffffff00 in 5400 ? 1 : (0)",
    ],
    [
      "a field by shift and mask",
      compare("equal", binary("and", binary("shift-right-unsigned", argument(1), 8n), 0xffn), 0x54n),
      "a1&ff00 in 5400 ? 1 : (0)",
    ],
    [
      "a signed shift",
      compare("equal", binary("shift-right-signed", argument(0), 63n), -1n),
      "a0&8000000000000000 in 8000000000000000 ? 1 : (0)",
    ],
    ["a shift left", compare("equal", binary("shift-left", argument(0), 60n), 0x3n << 60n), "a0&f in 3 ? 1 : (0)"],
    ["a quotient", compare("equal", binary("divide-unsigned", argument(0), 10n), 2n), "a0 in 14-1d ? 1 : (0)"],
    [
      "a product that cannot wrap",
      compare(
        "less-unsigned",
        binary("multiply", { kind: "extend", width: 16, signed: false, value: argument(0) }, 10n),
        35n,
      ),
      "a0&ffff in 4-ffff ? 0 : (1)",
    ],
    [
      "a remainder by a power of two",
      compare("equal", binary("remainder-unsigned", argument(0), 4096n), 0n),
      "a0&fff in 0 ? 1 : (0)",
    ],
    [
      "a page number with a rounding mask",
      compare("equal", binary("and", binary("add", argument(0), 0xfffn), 0xffff_ffff_ffff_f000n), 0x1000n),
      "a0 in 1-1000 ? 1 : (0)",
    ],
    [
      "a select",
      compare(
        "equal",
        { kind: "select", condition: compare("equal", argument(0), 1n), then: argument(1), otherwise: constant(9n) },
        9n,
      ),
      "a0 in 1 ? a1 in 9 ? 1 : (0) : (1)",
    ],
    [
      "the instruction pointer",
      compare("less-unsigned", input("instructionPointer"), 0x1000n),
      "instructionPointer in 1000-ffffffffffffffff ? 0 : (1)",
    ],
    ["a condition that is never true", compare("equal", binary("and", argument(0), 1n), 2n), "0"],
    ["the same word against itself", compare("less-unsigned", argument(0), argument(0)), "0"],
  ])("%s", (_, condition, expected) => {
    expect(testOf(condition)).toBe(expected);
  });

  it("leaves conditions that no classic filter can test to the stateful part", () => {
    expect(testOf(compare("less-unsigned", argument(0), argument(1)))).toBe("0|1*(not-expressible)");
    expect(testOf(compare("equal", binary("add", argument(0), argument(1)), 3n))).toBe("0|1*(not-expressible)");
  });

  it("explores an inexpressible condition once and reuses its outcome", () => {
    const sum = binary("add", argument(0), argument(1));
    const body = [
      when(compare("less-unsigned", sum, 3n), [when(compare("less-unsigned", sum, 9n), [returns(1)], [returns(0)])]),
      returns(4),
    ];
    expect(split(body)).toBe("1|4*(not-expressible)");
  });

  it("drops tests that earlier ones decide", () => {
    const small = compare("less-unsigned", argument(0), 10n);
    const body = [
      when(small, [when(compare("equal", argument(0), 50n), [returns(2)]), returns(1)]),
      when(compare("less-unsigned", constant(5n), argument(0)), [returns(4)]),
      returns(0),
    ];
    expect(split(body)).toBe("a0 in a-ffffffffffffffff ? 4 : (1)");
  });

  it("uses bits known from other masks of the same word", () => {
    const body = [
      when(compare("equal", binary("and", argument(0), 0xffn), 3n), [
        when(compare("not-equal", binary("and", argument(0), 1n), 0n), [returns(1)]),
        returns(2),
      ]),
      returns(0),
    ];
    expect(split(body)).toBe("a0&ff in 3 ? 1 : (0)");
  });

  it("takes no value for excluded under a part of the bits that has a gap", () => {
    const none = (mask: bigint) => compare("equal", binary("and", argument(2), mask), 0n);
    // prot.bits === 0n, then prot.hasOnly("PROT_EXEC"): 4 fulfils the second.
    expect(split([when(none(0xffn), [returns(0)]), when(none(0xfbn), [returns(1)]), returns(2)])).toBe(
      "a2&ff in 0 ? 0 : (a2&fb in 0 ? 1 : (2))",
    );
  });

  it("joins a chain of rules with one verdict to one test", () => {
    const rules = [3n, 5n, 4n, 9n].map((value) => when(compare("equal", argument(1), value), [returns(1)]));
    expect(split([...rules, returns(0)])).toBe("a1 in 3-5,9 ? 1 : (0)");
  });

  it("follows a verdict that is collected in a local", () => {
    const gather = [1n, 2n, 4n, 8n].map((bit) =>
      when(compare("not-equal", binary("and", argument(0), bit), 0n), [
        { kind: "set-boolean", local: 1, value: { kind: "boolean", value: true } },
      ]),
    );
    const body = [...gather, when({ kind: "boolean-local", local: 1 }, [returns(1)]), returns(0)];
    expect(split(body)).toBe("a0&f in 0 ? 0 : (1)");
  });
});

describe("numbers", () => {
  const isOne = compare("equal", input("number"), 1n);

  it("are distinguished", () => {
    const body = [when(isOne, [returns(1)]), returns(0)];
    expect(split(body, 1)).toBe("1");
    expect(split(body, 2)).toBe("0");
  });

  it("share one decision object if they are treated equally", () => {
    const body = [when({ kind: "all", of: [isOne, compare("equal", argument(0), 3n)] }, [returns(1)]), returns(0)];
    const decisions = splitPolicy(program(body), { superviseProcessCreation: false });
    expect(new Set([...decisions.values()])).toHaveProperty("size", 2);
    expect(decisions.get(2)).toBe(decisions.get(99));
  });

  it("can be computed with", () => {
    const odd = compare("equal", binary("remainder-unsigned", binary("multiply", input("number"), 3n), 2n), 1n);
    const body = [when(odd, [returns(1)]), returns(0)];
    expect([split(body, 3), split(body, 4)]).toEqual(["1", "0"]);
  });

  it("are distinguished below conditions on state and arguments", () => {
    const body = [
      when(compare("equal", cell(0), 1n), [when(compare("equal", argument(0), 7n), [when(isOne, [returns(2)])])]),
      returns(0),
    ];
    expect(split(body, 1)).toBe("a0 in 7 ? 0|2*(reads-state 0) : (0)");
    expect(split(body, 2)).toBe("0");
  });

  it("take the first of overlapping arms", () => {
    const arm = (from: bigint, to: bigint, verdict: number) => ({
      intervals: [{ from, to }],
      body: [returns(verdict)],
    });
    const body: Statement[] = [
      { kind: "switch", value: input("number"), arms: [arm(3n, 9n, 1), arm(1n, 5n, 2)], otherwise: [returns(0)] },
    ];
    expect([2, 4, 9, 10].map((number) => split(body, number))).toEqual(["2", "1", "1", "0"]);
  });
});

describe("state", () => {
  const inPhase = (...indexes: bigint[]): BooleanExpression => ({
    kind: "within",
    value: cell(0),
    intervals: indexes.map((index) => ({ from: index, to: index })),
  });

  it("gives the weakest of the possible verdicts, and names the state that it reads", () => {
    expect(split([when(inPhase(2n), [returns(2)]), returns(1)])).toBe("1|2*(reads-state 0)");
    expect(split([when(compare("less-unsigned", input("now"), 5n), [returns(2)]), returns(3)])).toBe(
      "3|2*(reads-input now)",
    );
  });

  it("has no effect if both paths end the same way", () => {
    expect(split([when(inPhase(2n), [returns(1)]), returns(1)])).toBe("1");
  });

  it("does not revisit phases that a path has excluded", () => {
    const body = [
      when(inPhase(0n), [returns(1)]),
      when(inPhase(1n), [returns(4)]),
      when(inPhase(2n), [returns(2)]),
      returns(0),
    ];
    expect(split(body)).toBe("1|4|2*(reads-state 0)");
  });

  it("knows a cell that was stored on the path", () => {
    const body: Statement[] = [
      { kind: "store", cell: 1, value: constant(7n) },
      when(compare("equal", cell(1), 7n), [returns(1)]),
      returns(0),
    ];
    expect(split(body)).toBe("1*(changes-state 1)");
  });

  it("knows that a store changes nothing", () => {
    const enter = (phase: bigint): Statement => ({
      kind: "store",
      cell: 0,
      value: {
        kind: "select",
        condition: compare("less-unsigned", cell(0), phase),
        then: constant(phase),
        otherwise: cell(0),
      },
    });
    expect(split([when(inPhase(2n), [enter(1n), returns(1)]), returns(1)])).toBe("1");
    expect(split([when(inPhase(0n), [enter(1n), returns(1)]), returns(1)])).toBe("1*(changes-state 0, reads-state 0)");
    expect(split([{ kind: "store", cell: 1, value: cell(1) }, returns(0)])).toBe("0");
  });

  it("counts reports as effects", () => {
    expect(split([{ kind: "report", report: 0, values: [] }, returns(0)])).toBe("0*(reports)");
  });

  it("places conditions on arguments before it", () => {
    const body = [
      when({ kind: "all", of: [inPhase(2n), compare("equal", argument(0), 3n)] }, [returns(2)]),
      returns(0),
    ];
    expect(split(body)).toBe("a0 in 3 ? 0|2*(reads-state 0) : (0)");
  });

  it("joins the tests of both sides", () => {
    const body = [
      when(inPhase(2n), [when(compare("equal", argument(0), 3n), [returns(2)]), returns(1)]),
      when(compare("less-unsigned", argument(0), 10n), [returns(4)]),
      returns(1),
    ];
    expect(split(body)).toBe("a0 in 3 ? 4|2*(reads-state 0) : (a0 in a-ffffffffffffffff ? 1 : (1|4*(reads-state 0)))");
  });

  it("takes the strictest of combined policies, the first of equally strict ones", () => {
    const body: Statement[] = [
      { kind: "set-verdict", local: 2, value: { kind: "verdict", verdict: 4 } },
      {
        kind: "return",
        verdict: {
          kind: "strictest",
          of: [
            {
              kind: "verdict-select",
              condition: inPhase(2n),
              then: { kind: "verdict", verdict: 2 },
              otherwise: { kind: "verdict", verdict: 1 },
            },
            { kind: "verdict-local", local: 2 },
          ],
        },
      },
    ];
    expect(split(body)).toBe("1|2*(reads-state 0)");
  });
});

describe("tables", () => {
  const key = argument(0);
  const set: Statement = { kind: "table-set", table: 0, key, value: constant(1n) };
  const has: BooleanExpression = { kind: "table-has", table: 0, key };

  it("may raise the verdict when they are full", () => {
    expect(split([set, returns(0)])).toBe("0|1*(changes-table 0)");
    expect(split([set, returns(2)])).toBe("2*(changes-table 0)");
  });

  it("do not fill up by an update", () => {
    expect(split([when(has, [set, returns(0)]), returns(0)])).toBe("0*(changes-table 0, reads-table 0)");
  });

  it("are not changed by deleting an absent key", () => {
    const forget: Statement = { kind: "table-delete", table: 0, key };
    expect(split([when(has, [returns(1)], [forget, returns(1)])])).toBe("1");
    expect(split([forget, when(has, [returns(0)]), returns(1)])).toBe("1*(changes-table 0)");
  });
});

describe("process creation", () => {
  const made = (architecture: "x86_64" | "aarch64", number: number, body: Statement[] = [returns(0)]) =>
    show(
      splitPolicy(program(body, { architecture, admission: { always: [], judged: [{ from: 0n, to: 500n }] } }), {
        superviseProcessCreation: true,
      }).get(number)!,
    );

  it("is stateful where it may be allowed", () => {
    expect(made("x86_64", 57)).toBe("0*(process-creation)");
    expect(made("x86_64", 58)).toBe("0*(process-creation)");
    expect(made("x86_64", 435)).toBe("0*(process-creation)");
    expect(made("x86_64", 57, [returns(1)])).toBe("1");
    expect(made("aarch64", 57)).toBe("0");
  });

  it("does not include new threads", () => {
    expect(made("x86_64", 56)).toBe("a0&10000 in 10000 ? 0 : (0*(process-creation))");
    expect(made("aarch64", 220)).toBe("a0&10000 in 10000 ? 0 : (0*(process-creation))");
    const body = [when(compare("not-equal", binary("and", argument(0), 0x2000_0000n), 0n), [returns(1)]), returns(0)];
    expect(made("x86_64", 56, body)).toBe(
      "a0&20000000 in 20000000 ? 1 : (a0&10000 in 10000 ? 0 : (0*(process-creation)))",
    );
  });
});

describe("a program that judges no call", () => {
  it("has no decision, also where it begins with a switch on the number", () => {
    const arms = [{ intervals: [{ from: 0n, to: 1n }], body: [returns(1)] }];
    const body: Statement[] = [{ kind: "switch", value: input("number"), arms, otherwise: [returns(0)] }];
    const none = { ...program(body), admission: { always: [], judged: [] } };
    expect(splitPolicy(none, { superviseProcessCreation: false }).size).toBe(0);
  });
});

describe("bounds", () => {
  it("explores rejoined paths once: forty flags collected in a local", () => {
    const gather = Array.from({ length: 40 }, (_, bit) =>
      when(compare("not-equal", binary("and", argument(0), 1n << BigInt(bit)), 0n), [
        { kind: "set-integer", local: 0, value: constant(1n) },
      ]),
    );
    const body = [...gather, when(compare("equal", { kind: "local", local: 0 }, 1n), [returns(1)]), returns(0)];
    expect(split(body)).toBe("a0&ffffffffff in 0 ? 0 : (1)");
  });

  it("gives up soundly if conditions multiply, and only for those calls", () => {
    const mix = Array.from(
      { length: 60 },
      (_, i): Statement =>
        when(compare("equal", argument((i % 6) as 0), BigInt(i * 7919)), [
          {
            kind: "set-integer",
            local: 0,
            value: binary("add", binary("multiply", { kind: "local", local: 0 }, 31n), BigInt(i)),
          },
        ]),
    );
    const body = [
      when(compare("equal", input("number"), 1n), [
        ...mix,
        when(compare("equal", { kind: "local", local: 0 }, 12345n), [returns(2)]),
        returns(1),
      ]),
      returns(0),
    ];
    expect(split(body, 1)).toBe("1|2*(too-complex)");
    expect(split(body, 2)).toBe("0");
  });

  it("handles thousands of rules on one call", () => {
    const rules = Array.from({ length: 3000 }, (_, i) =>
      when(compare("equal", int(argument(1)), BigInt(i * 3)), [returns(i % 2 === 0 ? 1 : 2)]),
    );
    const decision = splitPolicy(program([...rules, returns(0)]), { superviseProcessCreation: false }).get(0)!;
    let tests = 0;
    for (let node = decision; node.kind === "test"; node = node.otherwise) tests++;
    expect(tests).toBe(3000);
  });
});
