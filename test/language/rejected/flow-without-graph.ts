import { allow, kill, perThread, policy } from "portcullis";

const flow = perThread.flow();

export default policy((call) => (flow.follow(call) ? allow : kill("process")));
