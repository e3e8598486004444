/** The place of a program's parameters in the launch map: a word each, after its other fields. */
import { defaultWords } from "../../../ir/parameters.ts";
import type { Parameter } from "../../../ir/program.ts";
import type { LaunchField, MapDescription, MapField } from "./storage.ts";

const wordSize = 8;

export function parameterOffset(first: number, parameter: number): number {
  return first + wordSize * parameter;
}

/** Adds the parameters to a launch map's description, from `first` to its end. */
export function withParameters(
  parameters: readonly Parameter[],
  first: number,
  { fields, launch }: { readonly fields: readonly MapField[]; readonly launch: readonly LaunchField[] },
): Pick<MapDescription, "valueSize" | "fields" | "launch" | "initial"> {
  const valueSize = parameterOffset(first, parameters.length);
  if (parameters.length === 0) return { valueSize, fields, launch };
  const names = fieldNames(parameters);
  const initial = new DataView(new ArrayBuffer(valueSize));
  defaultWords(parameters).forEach((word, index) => {
    initial.setBigUint64(parameterOffset(first, index), word, true);
  });
  return {
    valueSize,
    fields: [
      ...fields,
      ...names.map((name, index): MapField => ({ name, offset: parameterOffset(first, index), size: wordSize })),
    ],
    launch: [
      ...launch,
      ...parameters.map((_, parameter): LaunchField => {
        return { is: "parameter", parameter, offset: parameterOffset(first, parameter), size: wordSize };
      }),
    ],
    initial: [new Uint8Array(initial.buffer)],
  };
}

/** Unique C identifiers: "idle-time" is `parameter_idle_time`, as in a skeleton. */
function fieldNames(parameters: readonly Parameter[]): string[] {
  const taken = new Set<string>();
  return parameters.map(({ name }) => {
    const plain = `parameter_${name.replace(/\W/g, "_")}`;
    let unique = plain;
    for (let count = 2; taken.has(unique); count += 1) unique = `${plain}_${count}`;
    taken.add(unique);
    return unique;
  });
}
