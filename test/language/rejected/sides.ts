import { allow, deny, log, perProcess, perThread, perTree, policy, trap } from "portcullis";

const late = deny("EDEADLK");
const one = perTree.rooms({ sides: ["in"], timeout: "1s", late });
const twice = perTree.rooms({ sides: ["in", "in"], timeout: "1s", late });
const long = perTree.rooms({ sides: ["in", "out"], timeout: "2min", late });
const never = perTree.rooms({ sides: ["in", "out"], timeout: "soon", late });
const passing = perTree.rooms({ sides: ["in", "out"], timeout: "1s", late: log });
const trapping = perProcess.rooms({ sides: ["in", "out"], timeout: "1s", late: trap() });
const unknown = perTree.rooms({ sides: ["in", "out"], exclusive: ["inn"], timeout: "1s", late });
const thread = perThread.rooms({ sides: ["in", "out"], timeout: "1s", late });
const bare = perTree.rooms({});
const good = perTree.rooms({ sides: ["in", "out"], timeout: "1s", late });

export default policy((call) => {
  if (call.name === "rename") good.enter("ou");
  return allow;
});
