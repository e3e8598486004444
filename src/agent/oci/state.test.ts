import { describe, expect, test } from "vitest";
import { toMetadata } from "../../export/metadata.ts";
import { readState, StateError } from "./state.ts";

const policy = { policy: "nginx", digest: `sha256:${"a".repeat(64)}`, parameters: { most: "3" } };
const whole = {
  ociVersion: "1.2.0",
  fds: ["seccompFd"],
  pid: 7,
  metadata: toMetadata(policy),
  state: { ociVersion: "1.2.0", id: "c1", status: "creating", pid: 7, bundle: "/b", annotations: { a: "b" } },
};
const bytes = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));
const read = (value: object) => readState(bytes(value), true);

describe("a state", () => {
  test("is read as runc writes it, and as crun does for a further process", () => {
    expect(read(whole)).toEqual({
      descriptors: ["seccompFd"],
      policy,
      container: { id: "c1", bundle: "/b", status: "creating", annotations: new Map([["a", "b"]]) },
    });
    const exec = { ...whole, pid: 0, state: { id: "c1", status: "running", pid: 0, bundle: "." } };
    expect(readState(Buffer.from(JSON.stringify(exec, undefined, 4)), false)).toMatchObject({
      container: { bundle: ".", status: "running" },
    });
  });

  test("may name the policy by annotations alone", () => {
    const annotations = {
      "portcullis.policy": "nginx",
      "portcullis.digest": policy.digest,
      "portcullis.parameter.most": "3",
    };
    const state = { ...whole.state, annotations };
    expect(read({ ...whole, metadata: undefined, state })).toMatchObject({ policy });
  });

  test("is undefined as long as a part is missing, also of a character", () => {
    const all = bytes({ ...whole, state: { ...whole.state, id: "ü" } });
    for (let length = 0; length < all.length; length++)
      expect(readState(all.subarray(0, length), false)).toBe(undefined);
    expect(readState(all, false)).toMatchObject({ container: { id: "ü" } });
  });

  const state = (changes: object) => ({ ...whole, state: { ...whole.state, ...changes } });
  test.each<[unknown, RegExp]>([
    [[], /not a JSON object/],
    [null, /not a JSON object/],
    [{ ...whole, fds: undefined }, /fds is not a list/],
    [{ ...whole, fds: [] }, /seccompFd once/],
    [{ ...whole, fds: ["seccompFd", "seccompFd"] }, /seccompFd once/],
    [{ ...whole, fds: ["seccompFd", 1] }, /fds is not a list/],
    [{ ...whole, fds: Array(9).fill("seccompFd") }, /at most 8/],
    [{ ...whole, state: 1 }, /state is not an object/],
    [state({ id: 1 }), /state.id is not/],
    [state({ id: "" }), /state.id is empty/],
    [state({ id: "a\0b" }), /state.id is not/],
    [state({ id: "x".repeat(1025) }), /state.id is not/],
    [state({ bundle: 1 }), /state.bundle is not/],
    [state({ status: "paused" }), /state.status is not/],
    [state({ status: "stopped" }), /has stopped/],
    [state({ annotations: { a: 1 } }), /state.annotations has a member/],
    [state({ annotations: [] }), /state.annotations is not an object/],
    [{ ...whole, metadata: 1 }, /metadata is not a text/],
    [{ ...whole, metadata: undefined }, /name a policy/],
    [{ ...whole, metadata: "hello" }, /not JSON/],
    [{ ...whole, metadata: JSON.stringify({ ...policy, portcullis: 2 }) }, /version/],
    [{ ...whole, metadata: toMetadata({ ...policy, digest: "sha256:0" }) }, /digest/],
    [{ ...whole, metadata: JSON.stringify({ ...policy, portcullis: 1, path: "/x" }) }, /unknown member/],
  ])("%# is refused", (value, why) => {
    expect(() => read(value as object)).toThrow(StateError);
    expect(() => read(value as object)).toThrow(why);
  });

  test("that ends early, or is not UTF-8, is refused", () => {
    expect(() => readState(bytes(whole).subarray(0, 40), true)).toThrow(/not JSON/);
    expect(() => readState(Buffer.from([0xff, 0x7d]), true)).toThrow(/not UTF-8/);
    expect(() => readState(new Uint8Array(0), true)).toThrow(/no state came/);
  });
});
