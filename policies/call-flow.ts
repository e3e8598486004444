import { allow, kill, perThread, policy } from "portcullis";
import { trueFlow } from "./true.flow.ts";

const flow = perThread.flow(trueFlow);

/** Only the successions of calls that were recorded; anything else is somebody else's code. */
export default policy((call) =>
  flow.follow(call) ? allow : kill("process", "a succession of calls that this program does not have"),
);
