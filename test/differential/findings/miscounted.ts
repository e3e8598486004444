/**
 * Seed 12 of "an evaluator with a fault":
 * task 0: a counter is 2, not 3
 */
import { allow, perThread, policy } from "portcullis";

const counter0 = perThread.counter(0n, { onFork: "fresh" });

export default policy((call) => {
  counter0.add();
  return allow;
});
