// SPDX-License-Identifier: GPL-2.0-only
// Recognises a kernel's warnings on its console and in its taint flags.

/**
 * The console shows warnings and worse (loglevel=5). These patterns match messages that a correct kernel never prints,
 * but no messages about programs ("traps: a.out trap invalid opcode").
 */
const warnings = [
  /\bWARNING: .*/,
  /\bBUG: .*/,
  /\bkernel BUG at .*/,
  /\bsuspicious RCU usage.*/i,
  /\bKASAN: .*/,
  /\bUBSAN: .*/,
  /\bODEBUG: .*/,
  /\bOops: .*/,
  /\bgeneral protection fault, .*/,
  /\bKernel panic.*/,
  /\bINFO: task .* blocked for more than .*/,
  /\brcu: INFO: .* (?:stall|detected).*/,
  /\bunable to handle .*/i,
  /\brefcount_t: .*/,
  /\blist_(?:add|del) corruption.*/,
  /\bpossible (?:circular|recursive) locking.*/i,
  /\binconsistent lock state.*/,
  /\bDEBUG_LOCKS_WARN_ON.*/,
  /\bleaked lock.*/i,
  /\bscheduling while atomic.*/,
];

/** The first warning in a console's text, without time stamps, or undefined. */
export function warningIn(text) {
  for (const line of text.split(/\r?\n/)) {
    for (const pattern of warnings) {
      const found = pattern.exec(line);
      if (found !== null) return found[0].trim();
    }
  }
  return undefined;
}

// Documentation/admin-guide/tainted-kernels.rst: bad page (5), died (7), warning (9), soft lockup (14).
const wrong = (1n << 5n) | (1n << 7n) | (1n << 9n) | (1n << 14n);

/** Whether /proc/sys/kernel/tainted reports an error of the kernel itself. */
export function isTainted(value) {
  return (value & wrong) !== 0n;
}
