/** The addon's text filter (native/addon/text_filter.h). Unless stated otherwise, a result is 0 or a negative errno. */
export interface TextFilterFunctions {
  /**
   * Begins. `registers` and `observations` are indexed by call number: the register of the path plus one, or 0, and the
   * index of its automaton. `instructions`: `struct sock_filter[]`, which returns the index of an allowing verdict plus one,
   * or 0. `words` counts the allowed calls of verdict n at `verdicts + n`, and asks `next` to return with a value at
   * `wanted`; it may be empty. EINVAL: the kernel would refuse the filter.
   */
  startTextFilter(
    registers: Uint8Array,
    observations: Uint16Array,
    instructions: Uint8Array,
    words: Uint32Array,
    wanted: number,
    verdicts: number,
  ): number;
  /**
   * The tables are those of an Automaton, `sets` the low 64 bits of its accept sets. Empty classes: the observation has no
   * patterns. EINVAL: the tables do not fit each other.
   */
  addTextAutomaton(
    observation: number,
    classes: Uint8Array,
    classCount: number,
    transitions: Uint16Array,
    accepts: Uint16Array,
    sets: BigUint64Array,
    start: number,
    settled: number,
  ): number;
  /** The filter's word for a `struct seccomp_data` and a text without its NUL. */
  judgeText(data: Uint8Array, text: Uint8Array): number;
}
