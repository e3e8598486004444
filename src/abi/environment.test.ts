import { describe, expect, it } from "vitest";
import { looksSecret, withoutValue } from "./environment.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("an entry of an environment", () => {
  it.each([
    ["TOKEN=x", "TOKEN="],
    ["A=b=c", "A="],
    ["A=", "A="],
    ["=x", "="],
    ["a secret without a name", ""],
    ["", ""],
  ])("%j is shown as %j", (entry, shown) => {
    expect(withoutValue(bytes(entry))).toEqual({ bytes: bytes(shown), isCut: true });
  });

  it.each([
    "GITHUB_TOKEN=x",
    "AWS_SECRET_ACCESS_KEY=x",
    "DATABASE_PASSWORD=x",
    "MYSQL_PWD=x",
    "api_key=x",
    "REDIS_PASS=x",
    "GIT_CONFIG_VALUE_0=Authorization: Basic eA==",
    "GIT_PROXY=https://user:x@proxy",
    "SESSION=x",
  ])("%j is secret", (entry) => {
    expect(looksSecret(bytes(entry))).toBe(true);
  });

  it.each(["PAGER=less", "LD_PRELOAD=/tmp/x.so", "GIT_SSL_CAINFO=/etc/ca.pem", "GIT_DIR=/srv/a@b", "PWD_X=1"])(
    "%j is not",
    (entry) => {
      expect(looksSecret(bytes(entry))).toBe(false);
    },
  );
});
