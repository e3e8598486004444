/** Enforces every ready policy on real programs, on this machine. */
import { describe } from "vitest";
import { here } from "./place.ts";
import { testBuilds, testPrograms, testRights } from "./real-programs.ts";

describe("under notify", () => {
  testPrograms(here);
  testRights(here);
  testBuilds(here);
});
