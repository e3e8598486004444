// SPDX-License-Identifier: GPL-2.0-only
// What a kernel prints when something is wrong with it.

/**
 * The console shows warnings and worse (loglevel=5). Among these, the ones that a correct kernel never prints; messages
 * about programs ("traps: a.out trap invalid opcode") are not among them.
 */
const complaints = [
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

/** The first complaint in a console's text, without time stamps; undefined when there is none. */
export function complaintIn(text) {
  for (const line of text.split(/\r?\n/)) {
    for (const pattern of complaints) {
      const found = pattern.exec(line);
      if (found !== null) return found[0].trim();
    }
  }
  return undefined;
}

// Documentation/admin-guide/tainted-kernels.rst: bad page (5), died (7), warning (9), soft lockup (14).
const wrong = (1n << 5n) | (1n << 7n) | (1n << 9n) | (1n << 14n);

/** Whether /proc/sys/kernel/tainted says that the kernel itself went wrong. */
export function isTainted(value) {
  return (value & wrong) !== 0n;
}
