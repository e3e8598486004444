/**
 * Ends servers and removes folders with this process, however it ends: SIGKILL runs no handler, and a load generator that
 * this process waits for delays all others. A shell in a session of its own waits for the end of a pipe from this process.
 * The parent-death signal of a server itself would not do: a change of its user clears it.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";

/**
 * Lines: `start PID`, `end PID`, `folder PATH`. A started process leads a session; its processes are those of the session,
 * which orphans do not leave, and the descendants of these. A process is written PID:START, its start as in field 22 of
 * /proc/PID/stat, because another one may get the id of one that has ended.
 */
const script = `
named() {
  read -r line </proc/$1/stat || return
  pid=$1
  set -- \${line##*) }
  echo $pid:\${20}
}
is() { [ "$(named \${1%:*})" = $1 ]; }
sessions() {
  for file in /proc/[0-9]*/stat; do
    read -r line <$file || continue
    pid=\${file#/proc/}; pid=\${pid%/stat}
    set -- \${line##*) }
    case "$started " in *" $4:"*) echo $pid ;; esac
  done
}
tree() { named $1; for child in $(cat /proc/$1/task/*/children); do tree $child; done; }
lives() { for one in $all; do is $one && return 0; done; return 1; }
end() { is $2 && kill -$1 \${2%:*}; }
started=
while read -r what value; do
  case $what in
    start) started="$started $(named $value)" ;;
    end) rest=; for one in $started; do [ \${one%:*} = $value ] || rest="$rest $one"; done; started=$rest ;;
    folder) set -- "$@" "$value" ;;
  esac
done
if [ -n "$started" ]; then
  all=$(for pid in $(sessions); do tree $pid; done)
  for one in $started; do end TERM $one; done
  turns=50
  while lives && [ $turns -gt 0 ]; do sleep 0.1; turns=$((turns - 1)); done
  for one in $all; do end KILL $one; done
fi
rm -rf -- "$@"
`;

let shell: ChildProcess | undefined;

function tell(line: string): void {
  if (shell === undefined) {
    shell = spawn("sh", ["-c", script, "sh"], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
    shell.unref();
    (shell.stdin as unknown as { unref(): void }).unref();
  }
  shell.stdin!.write(`${line}\n`);
}

/** Starts a program outside of this process's group, where a terminal's signals do not reach it. It ends after this process. */
export function startWithUs([file, ...words]: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(file!, words, { ...options, detached: true });
  const { pid } = child;
  if (pid === undefined) return child;
  tell(`start ${pid}`);
  child.once("exit", () => tell(`end ${pid}`));
  return child;
}

export function removeWithUs(folder: string): void {
  tell(`folder ${folder}`);
}

/** The words before the command of a machine, which ends its own processes. */
export const machineWithUs = ["setpriv", "--pdeathsig", "TERM", "--", "kernel/vm"] as const;
