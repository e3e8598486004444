/**
 * Follows a started command by the launcher's messages until the last one: the command's end, the time limit, the end of
 * its tree. All engines that wait for a command share it; each engine waits in its own way.
 */
import { callNumber } from "../../abi/call-numbers.ts";
import { signals } from "../../abi/signals.ts";
import { native } from "../../machine/native.ts";
import { signalProcess } from "../../machine/pidfd.ts";
import type { RunOptions, RunResult } from "../engine/run.ts";
import { errnoText, exitStatus, type LauncherMessage, type Started } from "../launcher/launcher.ts";
import { type Limited, privateFull, processesReached } from "./reached-limits.ts";
import type { SigsysWatch } from "./sigsys.ts";

export class CommandWatch {
  readonly #command: Pick<Started, "launcher" | "pid" | "pidfd">;
  readonly #onEvent: RunOptions["onEvent"];
  readonly #sigsys: SigsysWatch | undefined;
  readonly #limits: Limited | undefined;
  #status: number | undefined;
  #timedOut = false;

  /**
   * `sigsys` must be made before the command starts; undefined if every kill is an event. `finish` closes it. `limits`: of the
   * policy, for messages about them.
   */
  constructor(
    command: Pick<Started, "launcher" | "pid" | "pidfd">,
    onEvent: RunOptions["onEvent"],
    sigsys: SigsysWatch | undefined,
    limits?: Limited,
  ) {
    this.#command = command;
    this.#onEvent = onEvent;
    this.#sigsys = sigsys;
    this.#limits = limits;
  }

  /** Handles a message. Returns false after the launcher's last one. */
  heed(message: LauncherMessage): boolean {
    switch (message.kind) {
      case "ended":
        this.#status = message.status;
        this.#describeEnd(message.status);
        return true;
      case "timed-out":
        this.#timedOut = true;
        this.notice("the time limit was reached: the command is ended");
        return true;
      case "front-gone":
        this.notice("portcullis's first process was killed: its command continues");
        return true;
      case "protected-again":
        this.notice(
          message.error === 0
            ? "a program outside the tree replaced a protected file, which is protected again: for a moment the tree could change it"
            : `a program outside the tree replaced a protected file, which cannot be protected again (${errnoText(message.error)}): the tree is ended`,
        );
        return true;
      case "processes-reached":
        this.notice(processesReached(this.#limits, message.most));
        return true;
      case "private-full":
        this.notice(privateFull(this.#limits, message.number));
        return true;
      case "tree-ended":
        return false;
      case "closed":
        if (this.#status === undefined) this.#endCommand();
        return false;
    }
  }

  notice(text: string, dropped?: number): void {
    this.#onEvent({ kind: "notice", time: Date.now(), text, dropped });
  }

  /** Reaps the launcher. Call it once, after the launcher's last message. */
  finish(): RunResult {
    this.#sigsys?.close();
    native().syscall(callNumber("wait4"), this.#command.launcher, null, 0, null);
    return { status: exitStatus(this.#status), timedOut: this.#timedOut };
  }

  #describeEnd(status: number): void {
    const record = this.#sigsys?.describe(this.#command.pid, status);
    if (record !== undefined) this.#onEvent(record);
  }

  /**
   * The launcher was killed: the command's status is lost, and its processes continue, as confined as before. The command
   * ends by this signal unless it has just ended.
   */
  #endCommand(): void {
    this.#status = signals.SIGKILL;
    this.notice("the launcher was killed: its command is ended");
    signalProcess(this.#command.pidfd, signals.SIGKILL);
  }
}
