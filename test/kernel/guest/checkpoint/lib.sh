# What the checks of checkpoints share: a tree under a policy, which is dumped and restored. PLUGIN is the folder of the
# plugin, WORKER the program, BUNDLE counting.ts as a bundle; the working directory is the checkout.
set -u
here=test/kernel/guest/checkpoint
case_=0
failed=0

# expect WHAT ACTUAL EXPECTED
expect() {
  case_=$((case_ + 1))
  if [ "$2" = "$3" ]; then
    echo "ok $case_ $1"
  else
    echo "# expected: $3"
    echo "# actual: $2"
    echo "not ok $case_ $1"
    failed=1
  fi
}

# Lets main, thread and child make calls, in turn: tell DIR "WHO WHAT" ... The results are on one line.
tell() {
  dir=$1
  shift
  for each in "$@"; do
    step=$(($(cat "$dir/step" 2>/dev/null || echo 0) + 1))
    echo "$step" >"$dir/step"
    echo "$step $each" >"$dir/todo.new"
    mv "$dir/todo.new" "$dir/todo"
    tries=0
    until [ -e "$dir/done.$step" ]; do
      tries=$((tries + 1))
      [ $tries -lt 3000 ] && sleep 0.02 || {
        echo "no answer to $each"
        return
      }
    done
    printf '%s ' "$(cat "$dir/done.$step")"
  done
  echo
}

# Starts a tree without a terminal; $root is its root. Its first call is a removal by main.
start() { # DIR COMMAND...
  dir=$1
  shift
  rm -rf "$dir"
  mkdir -p "$dir"
  "$@" -- "$WORKER" "$dir" </dev/null >"$dir/log" 2>&1 &
  tell "$dir" "main rmdir" >"$dir/first"
  root=$(cat "$dir/pid")
}

# dump IMAGES OPTION...: prints ok, or the log's errors
dump() {
  images=$1
  shift
  mkdir -p "$images"
  if criu dump -t "$root" -D "$images" -o dump.log -v3 "$@" >"$images/out" 2>&1; then
    echo ok
  else
    echo "failed: $(grep -hE 'Error|seccomp_ebpf' "$images/dump.log" "$images/out" | tail -4 | tr '\n' ' ')"
  fi
}

restore() {
  images=$1
  shift
  if criu restore -d -D "$images" -o restore.log -v3 "$@" >"$images/out" 2>&1; then
    echo ok
  else
    echo "failed: $(grep -hE 'Error|seccomp_ebpf' "$images/restore.log" "$images/out" | tail -4 | tr '\n' ' ')"
  fi
}

# The pids of the trees that live.
alive() {
  for each in $(grep -lx "$(basename "$WORKER")" /proc/[0-9]*/comm 2>/dev/null); do
    # A process that has ended may wait for its parent.
    grep -q '^State:.[ZX]' "${each%/comm}/status" || basename "${each%/comm}"
  done
}
count() { alive | wc -l; }

end_all() {
  kill -KILL $(alive)
  while [ "$(count)" != 0 ]; do sleep 0.02; done
}

# How many threads of process $root have which number of filters
filters() { sed -n 's/^Seccomp_filters:.//p' "/proc/$root"/task/*/status | tr '\n' ' '; }

finish() {
  echo "1..$case_"
  exit $failed
}
