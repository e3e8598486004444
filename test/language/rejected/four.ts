import { allow, deny, perTree, policy } from "portcullis";

const first = perTree.rooms({ sides: ["a", "b"], timeout: "1s", late: deny("EDEADLK") });
const second = perTree.rooms({ sides: ["a", "b"], timeout: "1s", late: deny("EDEADLK") });
const third = perTree.rooms({ sides: ["a", "b"], timeout: "1s", late: deny("EDEADLK") });
const fourth = perTree.rooms({ sides: ["a", "b"], timeout: "1s", late: deny("EDEADLK") });
const fifth = perTree.rooms({ sides: ["a", "b"], timeout: "1s", late: deny("EDEADLK") });

export default policy((call) => {
  if (call.name !== "rename") return allow;
  for (const room of [first, second, third, fourth, fifth]) room.enter("a");
  return allow;
});
