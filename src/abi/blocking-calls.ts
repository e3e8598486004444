/**
 * Calls that can wait without a bound for an act of another task. A call that waits holds its side of a room, so it must
 * not be in one if the act is a call that has to wait for the room.
 *
 * Calls that wait for a device or a file system alone (openat of a file on NFS, fsync) are not listed: no call of the tree
 * ends their wait.
 */

export interface BlockingCall {
  readonly name: string;
  /** The rest of "read waits for …". */
  readonly waitsFor: string;
  /**
   * The calls that end the wait. The call can be in a room in which none of them enters another side. Undefined: the wait
   * is what the call is for, so it can be in no room.
   */
  readonly endedBy: readonly string[] | undefined;
  /** Waits only with these values of a register, of which the kernel uses the low 32 bits. */
  readonly only?: { readonly register: 0 | 1 | 2 | 3 | 4 | 5; readonly values: readonly bigint[] };
}

/** FUTEX_WAIT, _LOCK_PI, _WAIT_BITSET, _WAIT_REQUEUE_PI, _LOCK_PI2 (include/uapi/linux/futex.h), with each flag. */
const futexWaits = [0n, 6n, 9n, 11n, 13n].flatMap((command) => [0n, 128n, 256n, 384n].map((flags) => command | flags));

const inbound = "read readv preadv2 recvfrom recvmsg recvmmsg";
const outbound = "write writev pwritev2 sendto sendmsg sendmmsg";
/** Move data in both directions, between a pipe and another descriptor. */
const both = "splice sendfile tee vmsplice copy_file_range";

const words = (list: string): readonly string[] => list.split(" ");
const list = (
  names: string,
  waitsFor: string,
  endedBy?: string,
  only?: BlockingCall["only"],
): readonly BlockingCall[] =>
  words(names).map((name) => ({
    name,
    waitsFor,
    endedBy: endedBy === undefined ? undefined : words(endedBy),
    ...(only === undefined ? {} : { only }),
  }));

const allBlockingCalls: readonly BlockingCall[] = [
  ...list(inbound, "data, which another call writes or sends", `${outbound} ${both}`),
  ...list(outbound, "space in a full pipe or socket, which another call makes by reading", `${inbound} ${both}`),
  ...list(both, "data or space in a pipe or socket", `${inbound} ${outbound} ${both}`),
  ...list("connect", "space in the listener's queue, which accept makes", "accept accept4"),
  ...list("msgsnd", "space in a full message queue, which msgrcv makes", "msgrcv"),
  ...list("mq_timedsend", "space in a full message queue, which mq_timedreceive makes", "mq_timedreceive"),
  ...list("accept accept4", "a connection"),
  ...list("msgrcv mq_timedreceive", "a message"),
  ...list("wait4 waitid", "the end of a child"),
  ...list("futex", "a wake-up by another thread", undefined, { register: 1, values: futexWaits }),
  ...list("futex_wait futex_waitv", "a wake-up by another thread"),
  ...list("poll ppoll select pselect6 epoll_wait epoll_pwait epoll_pwait2", "an event of a descriptor"),
  ...list("pause rt_sigsuspend rt_sigtimedwait", "a signal"),
  ...list("nanosleep clock_nanosleep", "a time"),
  ...list("semop semtimedop", "another operation on the semaphore"),
  // LOCK_SH and LOCK_EX without LOCK_NB (include/uapi/asm-generic/fcntl.h).
  ...list("flock", "the release of the lock", undefined, { register: 1, values: [1n, 2n] }),
  // F_SETLKW and F_OFD_SETLKW.
  ...list("fcntl", "the release of the lock", undefined, { register: 1, values: [7n, 38n] }),
  ...list("io_getevents io_pgetevents io_uring_enter", "a completion"),
];

export const blockingCalls: ReadonlyMap<string, BlockingCall> = new Map(
  allBlockingCalls.map((call) => [call.name, call]),
);
