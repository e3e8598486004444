/** Makes a difference between the model and the kernel small, and prints it. */
import type { FileList, FileRules, ObjectLayer } from "../../../src/ir/objects.ts";
import { type Difference, type Maker, operationText, prepare, type Trial } from "./trial.ts";

const without = <T>(values: readonly T[]): T[][] =>
  values.map((_, left) => values.filter((_value, index) => index !== left));

/** The trial without one of its parts, in each way. */
function* smaller(trial: Trial): Generator<Trial> {
  for (const objects of without(trial.objects)) if (objects.length > 0) yield { ...trial, objects };
  for (const after of without(trial.after)) yield { ...trial, after };
  for (const before of without(trial.before)) yield { ...trial, before };
  for (const [index, layer] of trial.objects.entries()) {
    for (const less of smallerLayers(layer))
      yield { ...trial, objects: trial.objects.map((one, at) => (at === index ? less : one)) };
  }
}

function* smallerLayers(layer: ObjectLayer): Generator<ObjectLayer> {
  if (layer.tcp !== undefined) yield { ...layer, tcp: undefined };
  if (layer.udp !== undefined) yield { ...layer, udp: undefined };
  if (layer.unix !== undefined) {
    yield { ...layer, unix: undefined };
    for (const connect of without(layer.unix.connect)) yield { ...layer, unix: { connect } };
  }
  if (layer.scopes.length > 0) yield { ...layer, scopes: [] };
  const { files } = layer;
  if (files === undefined) return;
  yield { ...layer, files: undefined };
  for (const except of without(files.except)) yield { ...layer, files: { ...files, except } };
  for (const [list, paths] of Object.entries(files.lists) as [FileList, FileRules["lists"][FileList] & object][]) {
    const { [list]: _, ...lists } = files.lists;
    if (Object.keys(lists).length > 0) yield { ...layer, files: { ...files, lists } };
    for (const fewer of without(paths))
      yield { ...layer, files: { ...files, lists: { ...files.lists, [list]: fewer } } };
  }
}

/** `differs` may throw for a trial that is impossible. */
export function shrink(difference: Difference, differs: (trial: Trial) => Difference | undefined): Difference {
  let smallest = difference;
  const start = { ...difference.trial, operations: [difference.operation] };
  for (let trial: Trial | undefined = start; trial !== undefined; ) {
    const found = attempt(() => differs(trial!));
    if (found !== undefined) smallest = found;
    trial = [...smaller(smallest.trial)].find((candidate) => attempt(() => differs(candidate)) !== undefined);
  }
  return smallest;
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

export function differenceText({ trial, operation, expected, found }: Difference, maker: Maker): string {
  const layers = trial.objects.map(({ files, tcp, udp, unix, scopes }) => {
    const lists = Object.entries(files?.lists ?? {}).map(
      ([list, rules]) => `${list}: ${rules.map(({ path }) => path)}`,
    );
    const except = files?.except.map(({ path }) => path) ?? [];
    const sockets = unix === undefined ? [] : [`unix: ${unix.connect.map(({ path }) => path)}`];
    return `  layer ${[...lists, `except: ${except}`, ...sockets, JSON.stringify({ tcp, udp, scopes })].join("; ")}`;
  });
  const title = `${operationText(operation)}: the model says ${expected}, the kernel ${found}`;
  return [title, ...layers, prepare(trial, maker).text].join("\n");
}
