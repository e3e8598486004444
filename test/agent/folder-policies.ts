/** Policies of an agent's tests: a tree makes so many folders, and each further one is refused. */

const judged = (most: string, reason: string): string => `const made = perTree.counter();
export default policy((call) => {
  if (call.name !== "mkdir" && call.name !== "mkdirat") return allow;
  if (made.get() >= ${most}) return deny("EDQUOT", "${reason}");
  made.add();
  return allow;
});
`;

export const folders = (most: number, reason = "enough folders"): string =>
  `import { allow, deny, perTree, policy } from "portcullis";
${judged(`${most}n`, reason)}`;

/** By the parameter `most`, in the sixth line. */
export const foldersByParameter = `import { allow, deny, parameter, perTree, policy } from "portcullis";
const most = parameter.integer("most", { default: 2n, from: 1n, to: 10_000n });
${judged("most", "enough folders")}`;
