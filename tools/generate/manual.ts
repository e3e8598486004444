/** What the manual calls arguments (section 2), for "did you mean": only calls where it differs from us and the kernel. */
export const manualNames: { readonly [call: string]: readonly string[] } = {};
