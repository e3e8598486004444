/** Reads the description of an event, events/SYSTEM/NAME/format: its number and the offsets of its fields. */

export interface EventFormat {
  readonly id: number;
  /** By the field's name. */
  readonly offsets: ReadonlyMap<string, number>;
}

/** @throws Error if the text has no number */
export function parseEventFormat(text: string): EventFormat {
  const id = /^ID: (\d+)$/m.exec(text)?.[1];
  if (id === undefined) throw new Error("an event without a number");
  const fields = text.matchAll(/^\tfield:[^;]*?(\w+)(?:\[\w*\])?;\toffset:(\d+);/gm);
  return { id: Number(id), offsets: new Map([...fields].map(([, name, offset]) => [name!, Number(offset)])) };
}

/** @throws Error if the event has no such field */
export function fieldOffset({ offsets }: EventFormat, name: string): number {
  const offset = offsets.get(name);
  if (offset === undefined) throw new Error(`an event without the field ${name}`);
  return offset;
}
