/** No architecture has this call, so no rule can name it: what becomes of it is what becomes of any other call. */
export const unnamedNumber = 1_000_003;
