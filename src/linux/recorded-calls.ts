/** The addon's function for recordings (native/addon/recording.c says what it does). */
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
}
