/** Addresses that a public name may not lead to. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { property } from "../ir/testing/property.ts";
import { isPublic } from "./addresses.ts";

describe("an address", () => {
  it.each(["1.1.1.1", "104.16.0.35", "172.32.0.1", "2606:4700::6810:23", "2a00:1450:4001::200e"])(
    "%s is public",
    (address) => {
      expect(isPublic(address)).toBe(true);
    },
  );

  it.each([
    ...["127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    ...["169.254.169.254", "100.64.0.1", "100.100.100.200", "224.0.0.1", "255.255.255.255", "198.18.0.1"],
    ...[
      "::",
      "::1",
      "::ffff:127.0.0.1",
      "::ffff:8.8.8.8",
      "64:ff9b::7f00:1",
      "64:ff9b:1::1",
      "fc00::1",
      "fd00:ec2::254",
    ],
    ...["fe80::1", "fe80::1%eth0", "ff02::1", "2002:7f00:1::1", "2001::1", "2001:db8::1", "::7f00:1", "fec0::1"],
    ...["", "example.org", "127.1"],
  ])("%j is not public", (address) => {
    expect(isPublic(address)).toBe(false);
  });
});

property([fc.ipV4()])("an IPv4 address inside an IPv6 address is never public", (address) => {
  expect([`::ffff:${address}`, `64:ff9b::${address}`, `::${address}`].map(isPublic)).toEqual([false, false, false]);
});

property([fc.string()])("any text has an answer", (text) => {
  expect(typeof isPublic(text)).toBe("boolean");
});
