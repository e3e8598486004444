/** How many live: a limit is never overshot, and what has ended frees its place. */
import { beforeAll, expect, test } from "vitest";
import { prepare, run, users, victim } from "./run.ts";

beforeAll(prepare);

for (const { name, uid } of users) {
  test(`64 forkers never make more than there may be, as ${name}`, () => {
    const { out, status } = run({ program: "most-20", uid }, victim("bomb"), "64", "20");
    expect(out).toBe("bomb: never too many, all places used, some refused\n");
    expect(status).toBe(0);
  });

  test(`a place is free when wait() has returned, as ${name}`, () => {
    const { out } = run({ program: "most-20", uid }, victim("bomb"), "0");
    expect(out).toBe("places: 19 children, 0 refused after a wait\n");
  });

  test(`forks that the kernel refuses give their place back, as ${name}`, () => {
    const { out } = run(
      { program: "most-20", uid },
      "sh",
      "-c",
      `for i in $(seq 25); do ${victim("tally")} clone-wrong; done`,
    );
    expect(out.split("\n").filter((line) => line.startsWith("clone-wrong: -22"))).toHaveLength(25);
  });
}
