/** The value of a pointer argument whose memory a policy may ask about. */

import type { CallDescription } from "../../../../abi/call.ts";
import { type Pointee, structures } from "../../../../abi/pointees.ts";
import type { ListBounds, Shape } from "../../../../ir/observation.ts";
import type { Range as SourceRange } from "../../../source/file.ts";
import { object, type Value } from "../../values/values.ts";
import type { Compilation } from "../../walk/compilation.ts";
import { messageHeader, socketAddress } from "./addresses.ts";
import { ObservedArgument } from "./argument.ts";
import { argumentList } from "./lists.ts";
import { path } from "./paths.ts";
import { structure } from "./structures.ts";
import { textMembers } from "./texts.ts";

/** A pointer argument: its name, the calls that can pass it, and what it points to. */
export interface Asked {
  readonly name: string;
  readonly calls: readonly CallDescription[];
  readonly pointee: Pointee;
  readonly node: SourceRange;
  /** `isNull` and `address`. */
  readonly pointer: ReadonlyMap<string, Value | (() => Value)>;
  /** The reference of the variable that holds the call. */
  readonly reference: number;
}

export function observed(c: Compilation, asked: Asked): Value {
  const { name, calls, pointee, node, pointer, reference } = asked;
  const { listBounds } = c.builder.observations;
  const argument = new ObservedArgument(c, { name, shape: shapeOf(pointee, listBounds), calls, node });
  switch (pointee.is) {
    case "path":
      return path(c, argument, { is: "whole" }, pointer);
    case "string":
      return object("Text", new Map([...pointer, ...textMembers(c, argument, { is: "whole" }, false)]));
    case "address":
      return socketAddress(c, argument, c.argumentReference(reference, name));
    case "message":
      return messageHeader(c, argument, c.argumentReference(reference, name), pointer);
    case "strings":
      return argumentList(c, argument, listBounds.entries, pointer);
    case "structure":
      return structure(c, argument, pointee.structure, pointer);
  }
}

function shapeOf(pointee: Pointee, listBounds: ListBounds): Shape {
  switch (pointee.is) {
    case "path":
    case "address":
    case "message":
      return { is: pointee.is };
    case "string":
      return pointee;
    case "strings":
      return { is: "strings", ...listBounds };
    case "structure": {
      const { minimum, size } = structures[pointee.structure];
      return { is: "structure", name: pointee.structure, minimum, size };
    }
  }
}
