/** Gives trees to the supervisor: one thread for each, until one thread takes many. */
import { type SupervisedTree, Supervision, type TreeOrder } from "../engines/notify/supervision.ts";

export interface AgentTree extends Omit<TreeOrder, "command"> {
  /** Undefined if the runtime does not know the first process. */
  readonly command: TreeOrder["command"] | undefined;
  /** The tree whose state this one shares. */
  readonly joins: SupervisedTree | undefined;
}

/** A tree that the supervisor cannot take. The sentence has no full stop. */
export class UnsupervisedError extends Error {
  override readonly name = "UnsupervisedError";
}

export type Supervise = (tree: AgentTree) => SupervisedTree;

/** `source`: the text of dist/supervisor.cjs. */
export function supervisor(source: string): Supervise {
  return ({ command, joins, ...order }) => {
    if (joins !== undefined) throw new UnsupervisedError("its container has a tree already");
    if (command === undefined) throw new UnsupervisedError("its first process is not known");
    return new Supervision(source).supervise({ ...order, command });
  };
}
