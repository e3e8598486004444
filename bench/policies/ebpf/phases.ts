import { allow, calls, deny, kill, perProcess, policy } from "portcullis";

const phase = perProcess.phases(["starting", "serving"], { tightening: true });
const setup = calls("bind", "setuid", "setgid", "setgroups", "chroot");

/** A server: initialises itself, and only serves from its first accept on. */
export default policy((call) => {
  if (setup.has(call)) return phase.is("starting") ? allow : deny("EPERM", "set-up is over");
  switch (call.name) {
    case "accept":
    case "accept4":
      phase.enter("serving");
      return allow;
    case "execve":
    case "execveat":
      return phase.is("starting") ? allow : kill("process", "a server that serves starts no program");
  }
  return allow;
});
