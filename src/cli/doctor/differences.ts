/** The output of `doctor --differences`: the engines' descriptions, one aspect after the other. */

import { descriptions } from "../../engines/descriptions.ts";
import { type Aspect, aspects } from "../../engines/engine/description.ts";
import { type EngineName, engineNames } from "../../engines/registry.ts";

export interface AspectDifference {
  readonly aspect: Aspect;
  readonly title: string;
  readonly engines: Readonly<Record<EngineName, string>>;
}

export function listDifferences(): readonly AspectDifference[] {
  return (Object.keys(aspects) as Aspect[]).map((aspect) => ({
    aspect,
    title: aspects[aspect],
    engines: Object.fromEntries(
      engineNames.map((name) => [name, descriptions[name].differences[aspect].does]),
    ) as Record<EngineName, string>,
  }));
}

/** For people: the title, and a line for each engine. */
export function printDifference({ title, engines }: AspectDifference): string {
  const width = Math.max(...engineNames.map((name) => name.length));
  const lines = engineNames.map((name) => `  ${name.padEnd(width)}  ${engines[name].replaceAll("`", "")}\n`);
  return `${title}\n${lines.join("")}`;
}
