/** Allows everything, except for what portcullis refuses before it evaluates a policy: foreign ABIs and io_uring. */
import { allow, policy } from "portcullis";

export default policy(() => allow);
