import { allow, deny, perProcess, policy } from "portcullis";

const own = perProcess.set({ capacity: 16n, full: deny("EMFILE", "too many sockets") });

/** Allows shutdown only of duplicated descriptors. */
export default policy((call) => {
  switch (call.name) {
    case "dup":
      own.add(call.args.fildes);
      return allow;
    case "close":
      own.delete(call.args.fd);
      return allow;
    case "fsync":
      return own.has(call.args.fd) ? allow : deny("EBADF", "only what was copied");
  }
  return allow;
});
