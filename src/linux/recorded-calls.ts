/** The addon's functions for recordings (native/addon/recording.c and lines.c say what they do). */
export interface RecordedCallFunctions {
  /**
   * Answers the notifications of `listener`, in this thread, until there is something to do here: the result says what, or
   * is a negative errno. `control` and `bytes` are the ring; what the other buffers are is said where they are made
   * (src/record/notify/answering.ts).
   */
  answerCalls(
    stage: number,
    listener: number,
    architecture: number,
    outlives: boolean,
    control: Int32Array,
    bytes: Uint8Array,
    plan: Uint32Array,
    known: Uint8Array,
    makes: Uint8Array,
    gone: Int32Array,
    state: Uint32Array,
    content: Uint8Array,
  ): number;
  /**
   * Prints the lines from `first` to before `end` (src/record/held-lines.ts), as many as fit. Returns the number of bytes;
   * progress[0] is the first line that is not printed.
   */
  printLines(
    words: Uint32Array,
    first: number,
    end: number,
    texts: Uint8Array,
    out: Uint8Array,
    progress: Uint32Array,
  ): number;
}
