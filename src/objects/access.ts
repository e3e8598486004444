/**
 * Landlock's decisions about files: which rights a place has in each layer, and moves between directories. As
 * security/landlock/fs.c of Linux 6.12 to 6.18 (is_access_to_paths_allowed, current_check_refer_path).
 */
import type { FileRight } from "../abi/landlock.ts";
import { type Answer, type Denied, type Exception, permitted } from "./answer.ts";
import { bitOf, bitsOf, bitsOfFiles, type Domain, type Layer, type Rights, rightsIn } from "./domain.ts";
import type { FileKind, FileObject, Place } from "./tree.ts";

/** The rights that each layer denies. */
type Missing = readonly Rights[];

const all = ~0;

/** A place has the rights of its own rule and of those of all directories above it. */
function missingAt(domain: Domain, place: Place, wanted: Rights, end?: Place): Missing {
  return domain.layers.map(({ handled, rules }) => {
    let missing = handled & wanted;
    for (let at: Place | undefined = place; at !== end && at !== undefined && missing !== 0; at = at.parent)
      missing &= ~(rules.get(at.object) ?? 0);
    return missing;
  });
}

/** The rights that the object's own rule does not give. */
const missingOf = (domain: Domain, object: FileObject): Missing =>
  domain.layers.map(({ handled, rules }) => handled & ~(rules.get(object) ?? 0));

/** Whether an operation has the rights that it needs at this place. */
export function check(domain: Domain, place: Place, wanted: Iterable<FileRight>): Answer {
  const missing = missingAt(domain, place, bitsOf(wanted));
  const layer = missing.findIndex((rights) => rights !== 0);
  return layer < 0 ? permitted : denial(domain, layer, rightsIn(missing[layer]!)[0]!, place, "EACCES");
}

function denial(domain: Domain, index: number, right: FileRight, place: Place, errno: Denied["errno"]): Denied {
  const layer = domain.layers[index]!;
  return {
    is: "denied",
    errno,
    layer: index,
    declared: layer.declared,
    right,
    setting: layer.restricted.get(right)?.setting ?? "files.refer",
    gains: false,
    exception: exceptionAt(layer, right, place),
  };
}

/** The exception because of which a list's directory above this place does not permit it. */
function exceptionAt(layer: Layer, right: FileRight, place: Place): Exception | undefined {
  let lowest: Exception | undefined;
  for (let at: Place | undefined = place; at !== undefined; at = at.parent) {
    const below = layer.excepted.get(at.object);
    const above = layer.above.get(at.object);
    if (below !== undefined) lowest = { rule: below, position: "below" };
    else if (above !== undefined) lowest ??= { rule: above, position: "above" };
    if (((layer.named.get(at.object) ?? 0) & bitOf(right)) !== 0) return lowest;
  }
  return undefined;
}

export const makeRight: Readonly<Record<FileKind, FileRight>> = {
  directory: "make-dir",
  file: "make-reg",
  link: "make-sym",
  fifo: "make-fifo",
  socket: "make-sock",
  character: "make-char",
  block: "make-block",
  whiteout: "make-reg",
};
const removeRight = ({ kind }: FileObject): FileRight => (kind === "directory" ? "remove-dir" : "remove-file");

export interface Move {
  readonly from: Place;
  readonly object: FileObject;
  readonly to: Place;
  /** The object that has the new name. */
  readonly replaced: FileObject | undefined;
  readonly kind: "link" | "rename" | "exchange" | "whiteout";
}

export function checkMove(domain: Domain, { from, object, to, replaced, kind }: Move): Answer {
  const atSource: FileRight[] = [];
  const atTarget: FileRight[] = [makeRight[object.kind]];
  if (kind === "exchange") atSource.push(makeRight[replaced!.kind]);
  if (kind === "whiteout") atSource.push(makeRight.whiteout);
  if (kind !== "link") {
    atSource.push(removeRight(object));
    if (replaced !== undefined) atTarget.push(removeRight(replaced));
  }
  // Within a directory nothing changes its rights.
  if (from.object === to.object) return check(domain, to, [...atSource, ...atTarget]);

  for (const [place, wanted] of [[from, atSource] as const, [to, atTarget] as const]) {
    const answer = check(domain, place, wanted);
    if (answer.is === "denied") return answer;
  }
  for (const place of [from, to]) {
    const answer = check(domain, place, ["refer"]);
    if (answer.is === "denied") return { ...answer, errno: "EXDEV" };
  }
  if (grantsAll(domain, from) && grantsAll(domain, to)) return permitted;
  const gain =
    gained(domain, from, object, to) ?? (kind === "exchange" ? gained(domain, to, replaced!, from) : undefined);
  return gain ?? permitted;
}

const grantsAll = (domain: Domain, place: Place): boolean =>
  missingAt(domain, place, all).every((rights) => rights === 0);

function rootOf(place: Place): Place {
  let root = place;
  while (root.parent !== undefined) root = root.parent;
  return root;
}

/** A denial if the object would have more rights in its new directory than by its own rule and by the old directory. */
function gained(domain: Domain, from: Place, object: FileObject, to: Place): Denied | undefined {
  const mask = object.kind === "directory" ? all : bitsOfFiles;
  const own = missingOf(domain, object);
  /*
   * The kernel compares what it has found before it looks at the next directory, so the root directory's rule matters only
   * in the mount of the root directory.
   */
  const end = rootOf(from).mount === from.mount ? undefined : rootOf(from);
  const before = missingAt(domain, from, mask, end);
  const after = missingAt(domain, to, mask, end);
  for (const [layer, missing] of before.entries()) {
    const [right] = rightsIn(missing & own[layer]! & ~after[layer]!);
    if (right !== undefined) return { ...denial(domain, layer, right, from, "EXDEV"), gains: true };
  }
  return undefined;
}
