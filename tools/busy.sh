#!/bin/sh
# Runs a command beside processes that compute without a pause, to show that it does not depend on the machine's speed.
# Usage: tools/busy.sh COUNT COMMAND [ARGUMENT...]
set -eu
count=$1
shift
busy=
trap 'kill $busy 2>/dev/null' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
while [ "$count" -gt 0 ]; do
  # They end with this script, even if it is killed.
  setpriv --pdeathsig KILL -- sh -c 'while :; do :; done' &
  busy="$busy $!"
  count=$((count - 1))
done
"$@"
