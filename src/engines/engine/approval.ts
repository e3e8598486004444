/**
 * Questions of a running tree: calls whose verdict is `ask`. The engine holds such a call until the process that waits for
 * the command has answered. A question ends only by its answer, so the engine never uses its place for another one before.
 */
import type { JudgementRecord } from "../../events/record.ts";

/** A call that waits for an answer. */
export interface Question {
  /** Its place in the shared memory. */
  readonly place: number;
  /** The call, as the record of an event. */
  readonly record: JudgementRecord;
  /** Whether an answer can hold for later equal calls: the policy reads the memory behind all pointers of the call. */
  readonly isRepeatable: boolean;
  /** Whether the caller still waits, and no signal ends it. */
  readonly isWaiting: () => boolean;
}

/** The answers, as words of the shared memory. The engine sets a word back to `none` when it has taken the answer. */
export const answerWords = { none: 0, allow: 1, always: 2, deny: 3, late: 4, withdrawn: 5 } as const;

/**
 * | answer | the call |
 * | --- | --- |
 * | allow | is judged again and passes, unless the policy refuses it by now |
 * | always | likewise, and so do equal calls of the tree for some time |
 * | deny | fails with EPERM |
 * | late | likewise, because no answer came in time |
 * | withdrawn | has no caller any more, or one that a signal ends |
 */
export type AnswerWord = Exclude<keyof typeof answerWords, "none">;

/** The side of the process that waits for the command. */
export interface EngineApprovals {
  /** Two words for each place: the answer, and with `always` for how many seconds, 0 for the life of the tree. */
  readonly words: Int32Array;
  /** Called in the thread of the caller. `answer` writes the words of the place and wakes the engine. */
  readonly onQuestion: (question: Question, answer: (word: AnswerWord, seconds?: number) => void) => void;
}

/** `most`: the most questions at one time. */
export function newApprovalWords(most: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8 * most));
}
