import { allow, deny, policy } from "portcullis";

export default policy((call) => {
  if (call.name === "socket" && call.args.family.is("AF_INET", "AF_INET6")) return deny("EACCES", "no internet");
  return allow;
});
