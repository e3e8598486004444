/** What the verifier says, kept, and the error for when it says no. */
import { BpfError } from "./command.ts";

/** The kernel keeps the end of a log that does not fit (BPF_LOG_LEVEL…, without BPF_LOG_FIXED; Linux 6.4): it tells. */
const logSize = 1 << 20;

/** How much the verifier tells: 1, the path on which it fails; 2, each instruction on each path; 4, statistics. */
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

/** The kernel refused a program, or type information. The message has its telling line; `log` is all that it said. */
export class VerifierError extends BpfError {
  override readonly name = "VerifierError";
  readonly log: string;
  /** The line that says what is wrong; empty where nothing was said. */
  readonly telling: string;
  /** At which instruction, counted in slots of 8 bytes. */
  readonly instruction: number | undefined;

  constructor(operation: string, errno: number, log: string) {
    const telling = tellingLine(log);
    super(operation, errno, telling);
    this.log = log;
    this.telling = telling;
    this.instruction = lastInstruction(log);
  }
}

const statistics = /^(?:processed \d|verification time|stack depth|mark_precise|insns per|total states)/;

/** The last line that is no statistics, with the one before where that ends within its sentence. */
function tellingLine(log: string): string {
  const lines = log
    .trimEnd()
    .split("\n")
    .filter((line) => !statistics.test(line));
  const [before = "", last = ""] = [lines.at(-2), lines.at(-1)];
  return before.endsWith(",") ? `${before} ${last}` : last;
}

/** The last instruction that is printed as such: `12: (85) call …`; behind a jump it stands after "from 3 to 12: …". */
function lastInstruction(log: string): number | undefined {
  let last: number | undefined;
  for (const [, index] of log.matchAll(/^(\d+): \([0-9a-f]{2}\)/gm)) last = Number(index);
  return last;
}
