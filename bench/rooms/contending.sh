#!/bin/sh
# contending.sh TURNS COUNT ROOMS COUNTED: two threads contend COUNT times, in one machine. ROOMS and COUNTED are bundles.
# Each line has the nanoseconds in rooms, under a lock in a filter that counts the calls, and under a lock without a filter.
set -eu
launcher=dist/native/x64/launcher
contending=build/bench/contending
i=0
while [ $i -lt "$2" ]; do
  i=$((i + 1))
  rooms=$($launcher run "$3" -- $contending "$1")
  counted=$($launcher run "$4" -- $contending "$1" lock)
  echo "$rooms $counted $($contending "$1" lock)"
done
