import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { errnoByName, errnoName, errnoNames } from "./errno.ts";

describe("errnos", () => {
  it("agree with the C library that Node was built with", () => {
    for (const [name, number] of Object.entries(constants.errno)) {
      // ENOTSUP is the C library's name for EOPNOTSUPP.
      if (name !== "ENOTSUP") expect(`${name} ${errnoByName(name)}`).toBe(`${name} ${number}`);
    }
  });

  it("are 1 to 133, except two unassigned numbers", () => {
    for (let number = 1; number <= 133; number++) {
      if (number === 41 || number === 58) expect(errnoName(number)).toBeUndefined();
      else expect(errnoByName(errnoName(number) ?? "")).toBe(number);
    }
    for (const number of [0, -1, 134, 512, 524]) expect(errnoName(number)).toBeUndefined();
  });

  it("print the name, not an alias", () => {
    expect(errnoByName("EWOULDBLOCK")).toBe(11);
    expect(errnoName(11)).toBe("EAGAIN");
    expect(errnoName(35)).toBe("EDEADLK");
    expect(errnoNames()).toContain("EDEADLOCK");
    expect(errnoByName("EFOO")).toBeUndefined();
  });
});
