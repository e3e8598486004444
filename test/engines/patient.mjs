// Preloaded where vitest runs in the machine: it gives its configuration 60 s to load and a worker 60 s to start and to end,
// 90 s in all, and has no setting for it. Where machines share few processors, a worker has been seen to take half of that.
const { setTimeout } = globalThis;
const impatient = new Set([60_000, 90_000]);
globalThis.setTimeout = Object.assign(
  (action, milliseconds, ...rest) =>
    setTimeout(action, impatient.has(milliseconds) ? 10 * milliseconds : milliseconds, ...rest),
  setTimeout,
);
