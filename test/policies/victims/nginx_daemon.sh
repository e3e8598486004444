#!/bin/sh
# nginx_daemon.sh FOLDER URL WORD...: runs nginx by these words, with FOLDER/nginx.conf, by which it is a daemon with two workers.
# Gets a page before and after a reload, and lets nginx end. Prints a line for each step, and the status of the words.
place=$1
url=$2
shift 2
"$@" nginx -c "$place/nginx.conf" >"$place/said" 2>&1 &
runner=$!
trap 'kill -KILL $master $runner' TERM
comes() {
  until "$@"; do
    kill -0 "$runner" || { echo "nginx has ended"; cat "$place/said" "$place/error.log"; exit 1; }
    sleep 0.05
  done
}
has_page() { curl -sS "$url" 2>/dev/null | grep -q portcullis; }
# Not 0, which would be this process's group.
has_master() { [ -s "$place/pid" ] && read -r master <"$place/pid" && [ "$master" -gt 0 ]; }
has_lost_workers() { [ "$(grep -c 'worker process [0-9]* exited with code 0' "$place/error.log")" = 2 ]; }
comes has_page
comes has_master
echo "a first page"
kill -HUP "$master"
comes has_lost_workers
echo "the workers of before the reload are gone"
comes has_page
echo "a page by the workers of after the reload"
kill -QUIT "$master"
wait "$runner"
echo "status $?"
