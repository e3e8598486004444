/** How the engine `notify` differs from the reference meaning, and what it needs: for documents, `doctor` and `explain`. */
import type { EngineDescription } from "../engine/description.ts";
import { examineNotify } from "./examine.ts";

export const notifyDescription: EngineDescription = {
  enforces: "a classic filter, and a supervisor for calls that depend on state",
  needs: "Linux 5.9",
  differences: {
    "hot-call": {
      does: "costs a few microseconds: the supervisor answers it",
      warning: "called often and stateful; on notify each such call costs a few microseconds",
    },
    ask: {
      does: "the call waits; all others go on",
      warning: "waits for a person (portcullis approvals), and fails with EPERM without an answer",
    },
    "kill-process": { does: "SIGKILL from the supervisor: status 137" },
    "kill-thread": { does: "kills the process", warning: "kill thread by state becomes kill process on notify" },
    "stateful-trap": {
      does: "refused at start (P0604)",
      warning: "trap by state: notify refuses to start with this policy",
    },
    "static-kill": {
      does: "an `end` event if the command itself is killed; with `--kill-events` the supervisor kills, status 137, and each kill is an event",
      warning:
        "on notify the kernel kills: status 159, and no event with the call; with run --kill-events the supervisor kills: status 137, an event, some microseconds more, and a denial instead if the supervisor is gone",
    },
    "reads-memory": {
      does: "the supervisor reads it; an allowed call is made with the copy that was judged",
      warning:
        "read behind pointers: on notify an allowed call takes two round trips to the supervisor and is made with the copy that was judged; memory that cannot be copied fails the call (EFAULT) without a judgement",
    },
    resolved: {
      does: "the supervisor opens the object and judges it",
      warning: ".resolved needs the engine notify, which opens the object and judges it",
    },
    phases: { does: "as they were before the judgement" },
    "caller-name": { does: "read at the judgement" },
    "no-denial-events": { does: "leaves static denials and logs to the filter" },
    interrupted: {
      does: "a signal does not end a call's wait for the supervisor, with few exceptions",
    },
    "in-its-stead": {
      does: "portcullis, on the caller's behalf: servers see portcullis's process (SO_PEERCRED)",
      warning:
        "on notify, portcullis opens or connects to the judged object on the caller's behalf: a server sees portcullis's process as its peer (SO_PEERCRED), of the same user, and a caller with other rights than portcullis is refused (docs/internals/objects.md)",
    },
    "holds-room": {
      does: "portcullis makes it wait, and detects its end, sometimes a little late ([internals/rooms.md](internals/rooms.md)); with `--audit` it enters none",
    },
    "child-copy": { does: "as it was when the fork was judged" },
    "outer-filter": { does: "hides the call: no event, and no state changes" },
    nesting: { does: "a task has one listener at most" },
    "root-tree": { does: "with CAP_SYS_PTRACE it can take control of the supervisor" },
    "portcullis-gone": { does: "supervised calls wait, or fail with ENOSYS" },
  },
  examine: examineNotify,
};
