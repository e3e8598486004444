/** A policy that compares the path of openat with many patterns, like a list of the files that a program needs. */
export function manyPatterns(count: number): string {
  const directories = Array.from({ length: count - 1 }, (_, index) => `/srv/project-${index}/data-${(index * 7) % 10}`);
  const texts = directories.map((directory) => `      ${JSON.stringify(directory)},`);
  return `import { allow, deny, policy } from "portcullis";

export default policy((call) => {
  if (call.name !== "openat") return allow;
  const isForbidden =
    call.args.path.text.startsWith("/forbidden/") ||
    call.args.path.text.under(
${texts.join("\n")}
    );
  return isForbidden ? deny("EACCES") : allow;
});
`;
}
