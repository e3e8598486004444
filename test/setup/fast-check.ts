/** Gives fast-check's properties the seed of the other random tests, instead of a new one for each run. */
import fc from "fast-check";
import { firstSeed } from "../../src/ir/testing/seeds.ts";

fc.configureGlobal({ seed: firstSeed });
