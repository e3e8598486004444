/** What an engine that enforces is, for the compiler and the command line: its name, and the filter that it installs. */
import type { SplitOptions } from "../analysis/split/split.ts";
import type { Program } from "../ir/program.ts";

export type EngineName = "notify" | "seccomp-ebpf";

/** Which calls an engine must see although no state decides their verdict. */
export type Supervision = Pick<SplitOptions, "superviseProcessCreation" | "superviseExecution">;

export interface Engine {
  readonly name: EngineName;
  supervision(program: Program): Supervision;
  /**
   * Whether the classic filter asks the engine (`SECCOMP_RET_USER_NOTIF`) where a verdict needs state. A filter that does
   * not ask returns the weakest verdict that any state could give, because a second filter behind it has the state.
   */
  readonly asks: boolean;
  /** The calls that the launcher makes under the filter, with its token in their unused arguments. */
  readonly launcherCalls: readonly ("execve" | "seccomp")[];
}

/** As `explainPolicy` and `why` take it. */
export function explainOptions(engine: Engine, program: Program): Supervision & Pick<Engine, "launcherCalls"> {
  return { ...engine.supervision(program), launcherCalls: engine.launcherCalls };
}
