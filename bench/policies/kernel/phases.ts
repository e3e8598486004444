import { allow, deny, perProcess, policy } from "portcullis";

const phase = perProcess.phases(["starting", "serving"]);

/** The measured call is allowed in the first of two phases only. */
export default policy((call) => {
  if (call.name === "eventfd2") phase.enter("serving");
  if (call.name === "getppid") return phase.is("starting") ? allow : deny("EPERM");
  return allow;
});
