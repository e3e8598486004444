/** The addon's text filter (native/addon/pin/text_filter.h). Unless stated otherwise, a result is 0 or a negative errno. */
export interface TextFilterFunctions {
  /**
   * Begins. `registers` and `observations` are indexed by call number: the register of the path plus one, or 0, and the
   * index of its matcher. `instructions`: `struct sock_filter[]`, which returns the index of an allowing verdict plus one,
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
   * Says how many automata the observation has: 0 … 16, 0 without patterns. Until all are there, no call is judged by it.
   * EINVAL: it has been said, or is too much.
   */
  startTextMatcher(observation: number, automata: number): number;
  /**
   * The tables are those of an Automaton, `sets` the low 64 bits of its accept sets. EINVAL: the tables do not fit each
   * other, or the observation has all of its automata.
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
