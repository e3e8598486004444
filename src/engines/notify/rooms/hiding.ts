/**
 * Calls after which the kernel may forbid us to look at their process or to stop it, because it is not dumpable or has another
 * user (__ptrace_may_access() in kernel/ptrace.c, commit_creds() in kernel/cred.c). An execve can do so, too, but leaves no
 * other thread, and holds no room itself.
 */
import type { ArchitectureName } from "../../../abi/architecture.ts";
import { callNumber } from "../../../abi/call-numbers.ts";
import { credentialNumbers } from "../../../abi/rights-calls.ts";
import type { TestedCall } from "../policy/tested-calls.ts";

const setDumpable = 4; // PR_SET_DUMPABLE

export const hidingCalls = (architecture: ArchitectureName): readonly TestedCall[] => [
  [
    callNumber("prctl", architecture),
    [
      [
        { argument: 0, half: "low", is: [setDumpable] },
        { argument: 1, half: "low", is: [0] },
      ],
    ],
  ],
  ...credentialNumbers(architecture).map((number): TestedCall => [number, [[]]]),
];
