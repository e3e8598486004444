#!/bin/sh
# The work of a system whose first process has started under everything.ts: a shell, children in parallel, and a build.
# Reports in TAP. Its argument is an empty folder.
set -u
case_=0
failed=0
expect() { # WHAT ACTUAL EXPECTED
  case_=$((case_ + 1))
  [ "$2" = "$3" ] && echo "ok $case_ $1" && return
  echo "# expected: $3"
  echo "# actual: $2"
  echo "not ok $case_ $1"
  failed=1
}
cd "$1" || exit 1

expect "the first process has the filter" "$$ $(sed -n 's/^Seccomp:.//p' /proc/1/status)" "1 2"

# Each child makes and renames files, and starts programs; the last names count.
for child in 1 2 3 4 5 6; do
  (
    for turn in 1 2 3 4 5; do
      echo "$child $turn" >"new.$child" && mv "new.$child" "done.$child.$turn" && grep -q "$child" "done.$child.$turn"
    done || echo failed >"failed.$child"
  ) &
done
expect "every process has it" "$(cat /proc/[0-9]*/status 2>/dev/null | sed -n 's/^Seccomp:.//p' | sort -u)" 2
wait
expect "children in parallel" "$(ls done.* | wc -l) $(ls failed.* 2>/dev/null)" "30 "

{
  printf 'all:'
  for part in a b c d e f; do printf ' part_%s.o' $part; done
  printf '\n\tcc -o program $^ main.c\n'
} >Makefile
echo 'int main(void) { return 0; }' >main.c
for part in a b c d e f; do printf '#include <stdio.h>\nint part_%s(void) { return printf("%s"); }\n' $part $part >part_$part.c; done
expect "a build with four jobs" "$(make -s -j4 CC=cc 2>&1 && ./program && ls ./*.o | wc -l)" 6

echo "1..$case_"
exit $failed
