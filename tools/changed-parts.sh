#!/bin/sh
# Prints the parts of test/support/parts.ts whose sources the last day's commits have changed, for PORTCULLIS_PARTS: as many
# as CI has time for, within 45 minutes with `make test`. The choice begins at another part after each commit, so that each part
# has its turn.
set -eu
cd "$(dirname "$0")/.."
day_before=$(($(git log -1 --format=%ct) - 86400))
base=$(git rev-list -1 --before="$day_before" HEAD)
changed=$(git diff --name-only "${base:-$(git hash-object -t tree /dev/null)}" HEAD)
# Whether each of these kernels is built from the present sources, or fetched.
are_there() {
  for kernel; do
    case $kernel in
      recent) kernel/fetch --path ;;
      *) kernel/build --path "$kernel" ;;
    esac >/dev/null 2>&1 || return 1
  done
}
# Minutes for parts, less those of a build of the patched kernel.
minutes=23
are_there patched || minutes=13
# Minutes until the other kernels are there, which the first part that needs them adds.
others=0
are_there stock vulnerable recent || others=10
# Each part, an upper estimate of the minutes that it adds on two processors, and its sources.
parts='agent 2 ^src/(agent|engines/notify)/|^test/agent/
kernel 4 ^kernel/|^test/kernel/(bpf-selftests|ebpf-filters|sample|selftests|tap|vm)[.]
bench 15 ^bench/
closed-sets 1 ^src/
coverage 4 ^src/
containers 14 ^src/(agent|export)/|^src/observe/record/tracefs/containers|^src/engines/notify/tasks/container-start|^native/addon/objects/rights|^examples/systemd/|^test/(containers|systemd)/
exploits 15 ^policies/against/|^test/kernel/vulnerabilities
kernels 5 ^src/(backend|engines|machine|objects|patterns)/|^native/|^policies/against/|^kernel/|^deploy/crun/|^test/(engines|kernel)/
machine 10 ^kernel/(vm$|machine/|Makefile)|^test/kernel/(machine[.]test|vm)[.]ts
nodes 3 ^(bin|tools)/|^package(-lock)?[.]json|^src/cli/(entry/)?[a-z0-9-]+[.]ts
programs 2 ^src/(engines/notify|export|observe|propose)/|^native/addon/pin/|^test/(live/(proposed|pinned-programs)|containers/oci-runtimes)
random 15 ^src/(amend|analysis|backend|cases|frontend|ir|patterns|propose|rooms|traces)/|^test/kernel/(guest/)?lives
sizes 1 ^src/(analysis/split|backend|frontend|ir)/|^test/(fuzz/many-rules|ebpf/extreme-sizes)
trees 7 ^native/addon/(loop|node)/|^src/engines/notify/[a-z-]+[.]ts
users 8 ^(policies|src/engines/seccomp-ebpf)/|^native/launcher/extended'
turn=$(($(git rev-list --count HEAD) % $(printf '%s\n' "$parts" | wc -l)))
chosen=
while read -r part takes sources; do
  [ -n "$part" ] && printf '%s\n' "$changed" | grep -qE "$sources" || continue
  builds=0
  [ "$(tools/kernels-of-parts.sh "$part")" = patched ] || builds=$others
  [ $((takes + builds)) -le "$minutes" ] || continue
  minutes=$((minutes - takes - builds))
  others=$((others - builds))
  chosen=${chosen:+$chosen,}$part
done <<EOF
$(printf '%s\n' "$parts" | tail -n +$((turn + 1)))
$(printf '%s\n' "$parts" | head -n "$turn")
EOF
echo "$chosen"
