// Preloaded when vitest runs in the machine. vitest has fixed time limits of 60 s to load its configuration and for a
// worker's start and end, 90 s in total. On shared processors a worker can take half of that.
const { setTimeout } = globalThis;
const impatient = new Set([60_000, 90_000]);
globalThis.setTimeout = Object.assign(
  (action, milliseconds, ...rest) =>
    setTimeout(action, impatient.has(milliseconds) ? 10 * milliseconds : milliseconds, ...rest),
  setTimeout,
);
