import { allow, calls, deny, perProcess, policy } from "portcullis";

const births = calls("fork", "vfork", "clone");
const own = perProcess.rate({ limit: 20n, per: "1s" });

/** At most 20 new processes or threads per second for each process. */
export default policy((call) => {
  if (!births.has(call) || own.take()) return allow;
  return deny("EAGAIN", "too many forks a second");
});
