#!/bin/sh
# Prints the parts of test/support/parts.ts whose sources the last day's commits have changed, for PORTCULLIS_PARTS. If the
# kernels must be built anew, CI has no time for other parts than that of the kernel.
set -eu
cd "$(dirname "$0")/.."
day_before=$(($(git log -1 --format=%ct) - 86400))
base=$(git rev-list -1 --before="$day_before" HEAD)
changed=$(git diff --name-only "${base:-$(git hash-object -t tree /dev/null)}" HEAD)
has() { printf '%s\n' "$changed" | grep -qE "$1"; }
parts=
add() { parts="${parts:+$parts,}$1"; }
if has '^kernel/|^test/kernel/(bpf-selftests|ebpf-filters|sample|selftests|tap|vm)\.'; then add kernel; fi
if ! has '^kernel/(build|config|patches|vulnerable)'; then
  if has '^bench/'; then add bench; fi
  if has '^src/'; then add closed-sets,coverage; fi
  if has '^src/(agent|export)/|^src/engines/notify/tasks/container-start|^test/containers/'; then add containers; fi
  if has '^policies/against/|^test/kernel/vulnerabilities'; then add exploits; fi
  if has '^kernel/(vm$|machine/|Makefile)|^test/kernel/(machine\.test|vm)\.ts'; then add machine; fi
  if has '^(bin|tools)/|^package(-lock)?\.json|^src/cli/(entry/)?[a-z0-9-]+\.ts'; then add nodes; fi
  if has '^src/(analysis|compile|ir)/|^test/kernel/(guest/)?lives'; then add random; fi
  if has '^(policies|src/engines/seccomp-ebpf)/|^native/launcher/extended'; then add users; fi
fi
echo "$parts"
