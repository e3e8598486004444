import { allow, deny, perTree, policy } from "portcullis";

const started = perTree.counter();

export default policy((call) => {
  if (call.name !== "execve") return allow;
  started.add();
  return started.get() <= 2n ? allow : deny("EAGAIN", "two programs are enough");
});
