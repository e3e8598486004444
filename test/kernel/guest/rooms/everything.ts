// A policy for a whole system: no process maps memory while another one unmaps some, and no two rename at once.
import { allow, deny, perTree, policy } from "portcullis";

const memory = perTree.rooms({ sides: ["map", "unmap"], timeout: "30s", late: deny("EDEADLK") });
const names = perTree.rooms({ sides: ["rename"], exclusive: ["rename"], timeout: "30s", late: deny("EDEADLK") });

export default policy((call) => {
  switch (call.name) {
    case "mmap":
    case "mprotect":
      memory.enter("map");
      return allow;
    case "munmap":
    case "madvise":
      memory.enter("unmap");
      return allow;
    case "rename":
    case "renameat":
    case "renameat2":
      names.enter("rename");
      return allow;
  }
  return allow;
});
