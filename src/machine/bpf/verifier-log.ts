/** The verifier's log, and the error that carries it. */
import { BpfError } from "./command.ts";

/**
 * From Linux 6.4, a log that does not fit keeps its end, which has the reason (BPF_LOG_LEVEL…, without BPF_LOG_FIXED).
 */
const logSize = 1 << 20;

/** The verifier's verbosity: 1, the failing path; 2, each instruction on each path; 4, statistics. */
export const logLevels = { failure: 1, all: 2, statistics: 4 } as const;

export class LogBuffer {
  readonly bytes: Uint8Array;

  constructor(size = logSize) {
    this.bytes = new Uint8Array(size);
  }

  text(): string {
    const end = this.bytes.indexOf(0);
    return new TextDecoder().decode(this.bytes.subarray(0, end < 0 ? this.bytes.length : end));
  }
}

/**
 * The kernel refused a program or type information. The message has the line with the reason; `log` is the whole log.
 */
export class VerifierError extends BpfError {
  override readonly name = "VerifierError";
  readonly log: string;
  /** The line with the reason; empty if the log is empty. */
  readonly reason: string;
  /** The offending instruction, counted in slots of 8 bytes. */
  readonly instruction: number | undefined;

  constructor(operation: string, errno: number, log: string) {
    const reason = reasonLine(log);
    super(operation, errno, reason);
    this.log = log;
    this.reason = reason;
    this.instruction = lastInstruction(log);
  }
}

const statistics = /^(?:processed \d|verification time|stack depth|mark_precise|insns per|total states)/;

/** The last line that is not statistics, with the previous one if the sentence begins there. */
function reasonLine(log: string): string {
  const lines = log
    .trimEnd()
    .split("\n")
    .filter((line) => !statistics.test(line));
  const [before = "", last = ""] = [lines.at(-2), lines.at(-1)];
  return before.endsWith(",") ? `${before} ${last}` : last;
}

/** The last printed instruction: `12: (85) call …`; after a jump it follows "from 3 to 12: …". */
function lastInstruction(log: string): number | undefined {
  let last: number | undefined;
  for (const [, index] of log.matchAll(/^(\d+): \([0-9a-f]{2}\)/gm)) last = Number(index);
  return last;
}
