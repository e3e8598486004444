/**
 * The policy of test/live/pinned-programs.test.ts: it compares all memory behind pointers that a policy can read with
 * constants that no program's memory matches. So it pins and allows every such call.
 */
import type { CallDescription } from "../../src/abi/call.ts";
import { allCalls } from "../../src/abi/calls.ts";
import { type Pointee, pointeeOf } from "../../src/abi/pointees.ts";

/** Occurs in no path, address or list of a test. */
const never = "/never/named/by/a/test";

function question(argument: string, pointee: Pointee): string {
  switch (pointee.is) {
    case "path":
      return `${argument}.text.is("${never}")`;
    case "string":
      return `${argument}.is("${never}")`;
    case "address":
      return `${argument}.kind === "other" && ${argument}.family === 12345n`;
    case "message":
      return `${argument}.name.kind === "other" && ${argument}.name.family === 12345n`;
    case "strings":
      return `${argument}.includes("${never}")`;
    case "structure":
      switch (pointee.structure) {
        case "open_how":
          return `${argument}.mode === 0x7777_7777n`;
        case "clone_args":
          return `${argument}.exit_signal === 0x7777_7777n`;
        case "mount_attr":
          return `${argument}.userns_fd === 0x7777_7777n`;
        case "sched_attr":
          return `${argument}.sched_period === 0x7777_7777n`;
      }
  }
}

/** The pointees of this architecture's calls, by call and argument: of these kinds, or all. */
export function pinnedCalls(
  kinds?: ReadonlySet<Pointee["is"]>,
): readonly (readonly [call: CallDescription, questions: readonly string[]])[] {
  return allCalls.flatMap((call) => {
    if (call.number.x86_64 === undefined) return [];
    const questions = call.parameters.flatMap(({ name }) => {
      const pointee = pointeeOf(call.name, name);
      if (pointee === undefined || kinds?.has(pointee.is) === false) return [];
      return [question(`call.args.${name}`, pointee)];
    });
    return questions.length === 0 ? [] : [[call, questions] as const];
  });
}

/** The module's text. `before` are statements in front of its own. */
export function pinEverything(before = "", kinds?: ReadonlySet<Pointee["is"]>): string {
  const cases = pinnedCalls(kinds).map(
    ([{ name }, questions]) =>
      `    case "${name}":\n      return ${questions.map((one) => `(${one})`).join(" || ")} ? deny("EXFULL") : allow;`,
  );
  return `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
${before}  switch (call.name) {
${cases.join("\n")}
  }
  return allow;
});
`;
}
