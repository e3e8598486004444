/** fast-check's properties begin at the same seed as all other random tests; it would take a new one each time. */
import fc from "fast-check";
import { firstSeed } from "../../src/ir/testing/seeds.ts";

fc.configureGlobal({ seed: firstSeed });
