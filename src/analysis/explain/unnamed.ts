/**
 * A number without a call on any architecture. No rule can name it, so its decision is that of calls without a rule.
 */
export const unnamedNumber = 1_000_003;
