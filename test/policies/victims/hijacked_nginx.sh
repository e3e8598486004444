#!/bin/sh
# hijacked_nginx.sh FOLDER WORD...: runs nginx by these words, with FOLDER/nginx.conf and FOLDER/hijack.so (proc_mem.c). When its
# worker serves, it tries to open its master's memory. Prints what the worker prints.
place=$1
shift
said=$place/said
LD_PRELOAD=$place/hijack.so HIJACK=$place "$@" nginx -c "$place/nginx.conf" >"$said" 2>&1 &
runner=$!
trap 'kill -KILL $master $runner' TERM
comes() {
  until "$@"; do
    kill -0 "$runner" || { cat "$said"; exit 1; }
    sleep 0.05
  done
}
has_master() { [ -s "$place/pid" ] && read -r master <"$place/pid"; }
has_worker() { worker=$(cat "/proc/$master/task/$master/children") && worker=${worker%% *} && [ -n "$worker" ]; }
# It has its handler from its start on, and its loop.
loops() { [ "$(cat "/proc/$worker/wchan")" != 0 ] && [ "$(cat "/proc/$worker/comm")" = nginx ]; }
has_ended() { [ "$(tail -n 1 "$said")" = end ]; }
comes has_master
comes has_worker
comes loops
kill -URG "$worker"
comes has_ended
kill -TERM "$master"
wait "$runner"
cat "$said"
