/** P0418 to P0420: sides that no call enters, rooms for calls that are denied, and siblings that stay outside. */

import { callFamilies } from "../../abi/families.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { spanOf } from "../../ir/location.ts";
import type { DecisionLeaf } from "../decision.ts";
import { enumerate, type View } from "./view.ts";

/** Families whose members differ in more than their arguments. */
const loose: ReadonlySet<string> = new Set(["connect", "namespace", "fork", "inspect", "copy"]);

export function findRoomWarnings(view: View): Diagnostic[] {
  const { program } = view;
  const found: Diagnostic[] = [];
  const leaves = new Map(
    [...view.decisions.keys()].map((number) => [view.name(number), view.leavesOf(view.name(number))]),
  );
  // A call that is too complex may enter any side.
  if ([...leaves.values()].some((list) => list.some(isTooComplex))) return [];
  program.rooms.forEach(({ name, sides, late, at }, room) => {
    const span = spanOf(program, at);
    const entering = [...leaves].filter(([, list]) => list.some((leaf) => sideOf(leaf, room) !== undefined));
    const entered = new Set(entering.flatMap(([, list]) => list.flatMap((leaf) => sidesOf(leaf, room))));
    for (const [side, text] of sides.entries()) {
      if (entered.has(side)) continue;
      found.push(
        diagnostic("P0418", `no call enters the side "${text}" of \`${name}\``, {
          span,
          help: `${name}.enter("${text}") for the calls that the others must not overlap, or leave it out`,
        }),
      );
    }
    const denied = entering
      .filter(([, list]) => {
        const inside = list.filter((leaf) => sideOf(leaf, room) !== undefined);
        return inside.every(({ possible }) => possible.every((one) => one === late || view.isDenial(one)));
      })
      .map(([call]) => call);
    if (denied.length > 0) {
      const verb = denied.length === 1 ? "is" : "are";
      found.push(
        diagnostic(
          "P0419",
          `${enumerate(denied)} ${verb} denied in any case: the room \`${name}\` has no effect on it`,
          {
            span,
            help: "leave the call out of the room: only a call that is made takes it",
          },
        ),
      );
    }
    for (const { name: family, does, members } of callFamilies) {
      if (loose.has(family)) continue;
      const inside = members.filter((call) => entering.some(([one]) => one === call));
      const outside = members.filter(
        (call) =>
          !inside.includes(call) &&
          (leaves.get(call) ?? []).some(({ possible }) => possible.some((one) => !view.isDenial(one))),
      );
      if (inside.length === 0 || outside.length === 0) continue;
      const verbs = [inside.length === 1 ? "enters" : "enter", outside.length === 1 ? "does" : "do"];
      found.push(
        diagnostic(
          "P0420",
          `${enumerate(inside)} ${verbs[0]} \`${name}\`, and ${enumerate(outside)} ${verbs[1]} the same outside of it`,
          { span, help: `${does}: calls.${family}.has(call)` },
        ),
      );
    }
  });
  return found;
}

const isTooComplex = ({ stateful }: DecisionLeaf): boolean => stateful.some(({ because }) => because === "too-complex");

function sidesOf({ stateful }: DecisionLeaf, room: number): readonly number[] {
  return stateful.flatMap((reason) => (reason.because === "enters-room" && reason.room === room ? [reason.side] : []));
}

function sideOf(leaf: DecisionLeaf, room: number): number | undefined {
  return sidesOf(leaf, room)[0];
}
