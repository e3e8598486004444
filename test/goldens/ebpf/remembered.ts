import { allow, deny, perProcess, policy } from "portcullis";

const copied = perProcess.set({ capacity: 2n, full: deny("EMFILE", "too many to remember") });

export default policy((call) => {
  if (call.name === "dup") copied.add(call.args.fildes);
  if (call.name === "close") {
    if (!copied.has(call.args.fd)) return deny("EBADF", "only what was copied may be closed");
    copied.delete(call.args.fd);
  }
  return allow;
});
