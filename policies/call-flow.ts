import { allow, kill, perThread, policy } from "portcullis";
import { trueFlow } from "./true.flow.ts";

const flow = perThread.flow(trueFlow);

/** Allows only recorded sequences of calls; any other sequence indicates injected code. */
export default policy((call) =>
  flow.follow(call) ? allow : kill("process", "a succession of calls that this program does not have"),
);
