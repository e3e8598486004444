import { allow, deny, policy } from "portcullis";

export default policy((call) => {
  if (call.name === "kill" && (call.args.sig.value & 3n) !== 7n) return deny("EPERM");
  return call.name === "dup2" && call.args.newfd === 0x1_0000_0000n ? deny("EBADF") : allow;
});
