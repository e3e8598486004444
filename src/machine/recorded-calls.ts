/** The addon's functions for recordings, which native/addon/record/recording.c and lines.c describe. */
export interface RecordedCallFunctions {
  /**
   * Answers the notifications of `listener`, in this thread, until JavaScript has something to do. Returns `enum reason`, or
   * a negative errno. `control` and `bytes` are the ring; src/observe/record/notify/answering.ts describes the other buffers.
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
   * Prints the lines from `first` to before `end` (src/observe/record/held-lines.ts), as many as fit. Returns the number of bytes;
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
