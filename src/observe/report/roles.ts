/** The roles and triggers that `propose` finds in the recordings of a report, with the figures of its decisions. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { divideRoles } from "../../propose/branches.ts";
import { HistoryBuilder } from "../../propose/history.ts";
import { findPermissions } from "../../propose/permissions.ts";
import { processesOf } from "../../propose/roles.ts";
import { originOf, triggersOf } from "../../propose/statement.ts";
import type { Trigger } from "../../propose/triggers.ts";
import { describePredicate } from "../../propose/triggers.ts";
import { Faults } from "../../traces/faults.ts";
import type { TraceEvent, TraceHead } from "../../traces/trace.ts";

export interface TriggerView {
  /** "The first setuid(uid=33)" */
  readonly event: string;
  /** The phase that it begins; undefined for a runner-up. */
  readonly phase: string | undefined;
  readonly before: number;
  readonly after: number;
  readonly dropped: readonly string[];
  readonly processes: string;
  readonly recordings: string;
  readonly matches: number;
  /** The share of the role's life, 0 to 1. */
  readonly share: number;
  /** Why it cannot be one. */
  readonly refusal: string | undefined;
}

export interface RoleView {
  readonly name: string;
  /** "child of main" */
  readonly origin: string;
  readonly processes: number;
  readonly calls: number;
  readonly names: readonly string[];
  readonly triggers: readonly TriggerView[];
}

/** The roles of all recordings together. */
export interface RolesView {
  readonly recordings: number;
  readonly roles: readonly RoleView[];
}

/** With more processes, and executions, the roles of a recording are not looked for. */
const mostSegments = 5_000;
const mostRunnersUp = 5;

export class RolesTally {
  #history: HistoryBuilder | undefined;

  constructor(architecture: ArchitectureName) {
    this.#history = new HistoryBuilder(architecture, "arguments");
  }

  /** A recording begins. */
  begin(file: string): void {
    // The replay reports contradictions in the trace.
    this.#history?.open(file, new Faults(file));
  }

  add(event: TraceEvent, head: TraceHead): void {
    this.#history?.event(event, head);
    if ((this.#history?.segments.length ?? 0) > mostSegments) this.#history = undefined;
  }

  /** Undefined without recordings, and if there are too many processes. */
  view(): RolesView | undefined {
    if (this.#history === undefined || this.#history.recordings.length === 0) return undefined;
    const { history, roles } = divideRoles(this.#history);
    const permissions = findPermissions(history, roles, "usual");
    const views = roles.list.map((role): RoleView => {
      const { chosen, others } = triggersOf(permissions, role);
      return {
        name: role.name,
        origin: originOf(roles, role),
        processes: processesOf(role.segments),
        calls: role.segments.reduce((sum, { calls }) => sum + calls, 0),
        names: [...role.calls].sort(),
        triggers: [
          ...chosen.map(({ phase, trigger }) => viewOf(trigger, phase)),
          ...others.slice(0, mostRunnersUp).map((trigger) => viewOf(trigger, undefined)),
        ],
      };
    });
    return { recordings: history.recordings.length, roles: views };
  }
}

function viewOf(trigger: Trigger, phase: string | undefined): TriggerView {
  const { before, after, dropped, processes, ofProcesses, recordings, ofRecordings, matches, share, refusal } = trigger;
  return {
    event: describePredicate(trigger),
    phase,
    before: before.size,
    after: after.size,
    dropped,
    processes: `${processes} of ${ofProcesses}`,
    recordings: `${recordings} of ${ofRecordings}`,
    matches,
    share,
    refusal,
  };
}
