// A policy without state, for the checks of checkpoints.
import { allow, deny, policy } from "portcullis";

/** No links. */
export default policy((call) => (call.name === "link" ? deny("EMLINK", "links") : allow));
