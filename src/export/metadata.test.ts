import { describe, expect, it } from "vitest";
import { fromAnnotations, fromMetadata, toAnnotations, toMetadata } from "./metadata.ts";

const digest = `sha256:${"0f".repeat(32)}`;
const name = { policy: "agents/no-git", digest, parameters: { most: "64", path: "a,b=\n" } };

describe("metadata", () => {
  it("is read as it was written", () => {
    expect(fromMetadata(toMetadata(name))).toEqual(name);
    expect(fromAnnotations(toAnnotations(name))).toEqual(name);
  });

  it.each([
    ["", "is not JSON"],
    ["[]", "is not an object"],
    [toMetadata(name).replace('"portcullis":1', '"portcullis":2'), "not of this version"],
    [toMetadata(name).replace('"policy"', '"politics":1,"policy"'), 'unknown member "politics"'],
    [toMetadata({ ...name, policy: "" }), "no policy is named"],
    [toMetadata({ ...name, digest: "sha256:0" }), "missing or malformed"],
    [toMetadata(name).replace('"64"', "64"), '"most" is not a text'],
  ])("that is wrong is refused: %s", (text, message) => {
    expect(() => fromMetadata(text)).toThrow(message);
  });
});

describe("annotations", () => {
  it("of others name no policy", () => {
    expect(fromAnnotations({ "run.oci.handler": "wasm" })).toBeUndefined();
  });

  it("that are wrong are refused", () => {
    expect(() => fromAnnotations({ "portcullis.polity": "x" })).toThrow("portcullis.polity is unknown");
    expect(() => fromAnnotations({ "portcullis.digest": digest })).toThrow("no policy is named");
  });
});
