import { allow, calls, deny, perProcess, perTree, policy, report } from "portcullis";

const births = calls("fork", "vfork", "clone", "clone3");
const own = perProcess.rate({ limit: 20n, per: "1s" });
const all = perTree.rate({ limit: 200n, per: "1s" }); // own alone is not a limit: each child may fork as often
const refused = perTree.counter();

/** Each process may make 20 processes or threads at once, and 20 a second after that; the tree 200 and 200. */
export default policy((call) => {
  if (!births.has(call) || (own.take() && all.take())) return allow;
  if (refused.add() === 1n) report("the fork rate was reached", { pid: call.caller.pid });
  return deny("EAGAIN", "too many forks a second");
});
