import { describe, expect, it } from "vitest";
import { isPermitted, permittedUsers, Shares, UsersError } from "./users.ts";

const lookUp = (database: "passwd" | "group", name: string) =>
  new Map([
    ["passwd alice", 1000],
    ["group staff", 50],
  ]).get(`${database} ${name}`);

describe("permittedUsers", () => {
  it("reads names and numbers of users and groups", () => {
    const permitted = permittedUsers(["alice, 7", "@staff,@9"], lookUp);
    expect(permitted).toEqual({ users: new Set([1000, 7]), groups: new Set([50, 9]) });
    expect(isPermitted(permitted, 7, new Set())).toBe(true);
    expect(isPermitted(permitted, 8, new Set(["8", "50"]))).toBe(true);
    expect(isPermitted(permitted, 50, new Set(["1000"]))).toBe(false);
  });

  it.each(["", "alice,", "@", "staff", "@alice", "4294967295", "-1", "1e3"])("refuses %j", (list) => {
    expect(() => permittedUsers([list], lookUp)).toThrow(UsersError);
  });
});

it("Shares are each user's own", () => {
  const shares = new Shares();
  const taken = (user: number) => Array.from({ length: 100 }, () => shares.take(user)).filter((one) => one).length;
  expect(taken(1)).toBe(64);
  expect(taken(2)).toBe(64);
  shares.give(1);
  expect(taken(1)).toBe(1);
});
