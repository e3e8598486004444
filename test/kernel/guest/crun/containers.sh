# Containers of crun under bundles, by deploy/crun/portcullis-crun and with the launcher as entry point; and what a hostile
# process tries. BUNDLES has the policies beside this file; the working directory is the checkout.
set -u
here=test/kernel/guest/crun
case_=0
failed=0
work=$(mktemp -d /run/crun.XXXXXX)
export PORTCULLIS_LAUNCHER="$PWD/dist/native/x64/launcher" PORTCULLIS_BUNDLES="$work/bundles" PORTCULLIS_RECORDS="$work/records"
mkdir "$work/bundles"
cp "$BUNDLES"/*.pcl "$work/bundles"

# expect WHAT ACTUAL EXPECTED: a pattern of the shell
expect() {
  case_=$((case_ + 1))
  # shellcheck disable=SC2254
  case $2 in
  $3) echo "ok $case_ $1" ;;
  *)
    echo "# expected: $3"
    echo "# actual: $2"
    echo "not ok $case_ $1"
    failed=1
    ;;
  esac
}

plain() { crun --root="$work/state" --cgroup-manager=disabled "$@"; }
wrapped() { deploy/crun/portcullis-crun --root="$work/state" --cgroup-manager disabled "$@"; }

# configure ID FILTER: a container whose first process executes lines. The filter of jq changes its configuration.
configure() {
  mkdir -p "$work/$1/rootfs" "$work/$1/shared"
  for each in usr proc dev tmp shared etc sys launcher shown; do mkdir "$work/$1/rootfs/$each"; done
  for each in bin sbin lib lib64; do ln -s "usr/$each" "$work/$1/rootfs/$each"; done
  echo root:x:0:0:root:/:/bin/sh >"$work/$1/rootfs/etc/passwd"
  chmod 777 "$work/$1/shared"
  mkfifo "$work/$1/shared/todo" "$work/$1/shared/answer"
  chmod 666 "$work/$1/shared/"*
  cp "$here/serve.sh" "$work/$1/shared"
  sed "s|SHARED|$work/$1/shared|" "$here/config.json" | jq "$2" >"$work/$1/config.json"
}

# Its standard streams would hold those of this script.
create() { wrapped create --bundle "$work/$1" "$1" >"$work/$1/log" 2>&1 </dev/null || echo "$? $(cat "$work/$1/log")"; }

# Waits until a file exists.
await() {
  tries=0
  until [ -e "$1" ]; do
    tries=$((tries + 1))
    [ $tries -lt 3000 ] || break
    sleep 0.02
  done
}

# tell ID COMMAND: in the container's first process
tell() {
  timeout 30 sh -c 'echo "$1" >"$0/todo"; cat "$0/answer"' "$work/$1/shared" "$2" || echo 'no answer'
}

begin() {
  create "$1"
  wrapped start "$1" || echo "status $?"
}

pid_of() { plain state "$1" | jq .pid; }
status_of() { plain state "$1" 2>/dev/null | jq -r .status || true; }

finish() { for each in "$@"; do wrapped delete --force "$each"; done; }

# ── The command and exec ─────────────────────────────────────────────────────────────────────────────────────────────

bundle() { echo ".annotations = {\"portcullis.bundle\": \"$1\"}"; }
configure one "$(bundle counting)"
expect 'a container starts' "$(begin one)" ''
expect 'the execve of the runtime is not counted' "$(tell one 'cd /tmp; mkdir a b; echo $?')" 0
expect 'exec counts with the command' "$(wrapped exec one mkdir /tmp/c /tmp/d /tmp/e /tmp/f 2>&1)" \
  "*'/tmp/f': Disk quota exceeded"
expect 'the command counts with exec' "$(tell one 'mkdir g 2>&1')" '*Disk quota exceeded'
expect 'state of a process is its own' \
  "$(wrapped exec one sh -c 'cd /tmp; rmdir a 2>&1; exec rmdir b c 2>&1' 2>&1)" "*'c': Disk quota exceeded"
expect 'processes are counted together' \
  "$(wrapped exec one sh -c 'sleep 1 & sleep 1 & sleep 1 & sleep 1 & sleep 1 & sleep 1 &' 2>&1)" '*annot fork*'
sleep 2
expect 'exec has no new privileges, and the filters' \
  "$(wrapped exec one sh -c 'while read -r name value; do case $name in NoNew* | Seccomp:) echo $value ;; esac; done </proc/self/status' | tr '\n' ' ')" \
  '1 2 '
expect 'exec has its streams and status' "$(echo in | wrapped exec one sh -c 'read -r word; echo $word; exit 9'; echo $?)" "in
9"
wrapped exec --detach one sh -c 'mkdir /tmp/h; echo $? >/shared/new; mv /shared/new /shared/detached' >/dev/null 2>&1
await "$work/one/shared/detached"
expect 'a detached exec counts, too' "$(cat "$work/one/shared/detached")" 1
expect 'exec of a command that does not exist fails' "$(wrapped exec one /none 2>&1; echo $?)" '*No such file*'

configure sealed "$(bundle sealed) | .process.args = [\"sleep\", \"1000\"]"
expect 'a policy without state' "$(begin sealed; wrapped exec sealed sh -c 'echo runs; ls' 2>&1)" '*runs*Permission denied'
finish sealed

# ── Two containers ───────────────────────────────────────────────────────────────────────────────────────────────────

configure two "$(bundle counting)"
begin two
expect 'another container has state of its own' "$(wrapped exec two mkdir /tmp/a; echo $?)" 0
expect 'a record joins no other container' \
  "$("$PORTCULLIS_LAUNCHER" container exec "$work/records/one" "$(pid_of two)" true 2>&1)" '*not have exactly the filters*'
expect 'a record joins no process without the filters' \
  "$("$PORTCULLIS_LAUNCHER" container exec "$work/records/one" $$ true 2>&1)" '*cannot be examined*'
expect 'a runtime that kills its tracer ends with it' \
  "$("$PORTCULLIS_LAUNCHER" container exec "$work/records/two" "$(pid_of two)" \
    sh -c "kill -KILL \$PPID; sleep 1; touch $work/escaped" >"$work/log" 2>&1; echo $?; sleep 2; ls "$work/escaped" 2>&1)" \
  '137*No such file*'
finish two
expect 'the record goes with the container' "$(ls "$work/records")" one
finish one

# ── Hostile processes ────────────────────────────────────────────────────────────────────────────────────────────────

# All privileges, the processes of the machine, and the tools, records and bundles.
everything="$(bundle counting) | .linux.namespaces |= map(select(.type != \"pid\"))
  | .process.capabilities |= map_values([\"CAP_SYS_ADMIN\", \"CAP_SYS_PTRACE\", \"CAP_BPF\", \"CAP_PERFMON\", \"CAP_KILL\",
    \"CAP_DAC_OVERRIDE\", \"CAP_SYS_CHROOT\"])
  | .mounts += [{destination: \"/launcher\", type: \"bind\", source: \"$PWD/dist/native/x64\", options: [\"rbind\"]},
    {destination: \"/shown\", type: \"bind\", source: \"$work\", options: [\"rbind\"]},
    {destination: \"/sys\", type: \"bind\", source: \"/sys\", options: [\"rbind\"]}]"
configure other "$(bundle counting)"
configure hostile "$everything"
begin other
begin hostile
for each in hostile other; do
  expect "a confined process takes no filters, of $each" \
    "$(tell hostile "/launcher/launcher container exec /shown/records/$each $(pid_of $each) true 2>&1")" '*CAP_SYS_ADMIN*no seccomp filter'
done
expect 'a confined process makes none for a container' \
  "$(tell hostile '/launcher/launcher container check /shown/bundles/counting.pcl 2>&1')" '*EPERM*no seccomp filter'
expect 'it stays confined in namespaces outside' \
  "$(tell hostile 'nsenter --target 1 --mount mkdir /tmp/1 /tmp/2 /tmp/3 /tmp/4 /tmp/5 /tmp/6 2>&1')" '*/tmp/6*Disk quota exceeded'
expect 'and counts for its own container' "$(wrapped exec other mkdir /tmp/a; echo $?)" 0
finish hostile other

# One that adds a filter, with which it could answer the calls of exec.
configure adding "$(bundle counting) | .process.args = [\"/launcher/launcher\", \"run\", \"/shown/no-links.pcl\"] + .process.args
  | .mounts += [{destination: \"/launcher\", type: \"bind\", source: \"$PWD/dist/native/x64\", options: [\"rbind\"]},
    {destination: \"/shown\", type: \"bind\", source: \"$work/bundles\", options: [\"rbind\"]}]"
begin adding
expect 'a command may confine itself further' "$(tell adding 'ln -s a /tmp/b 2>&1; mkdir /tmp/a; echo $?')" '*links*0'
expect 'exec joins no process with other filters' "$(wrapped exec adding true 2>&1; echo $?)" '*not have exactly the filters*125'
finish adding

# ── Profiles, namespaces, the entry point ────────────────────────────────────────────────────────────────────────────

configure profile "$(bundle counting) | .linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\",
  syscalls: [{names: [\"symlink\", \"symlinkat\"], action: \"SCMP_ACT_ERRNO\", errnoRet: 31}]}"
expect 'a container with a profile of its own starts' "$(begin profile)" ''
expect 'its command has both' "$(tell profile 'cd /tmp; ln -s a b 2>&1; mkdir 1 2 3 4 5 6 2>&1')" "*Too many links*
*'6': Disk quota exceeded"
expect 'exec has both' "$(wrapped exec profile sh -c 'ln -s a /tmp/b; mkdir /tmp/c' 2>&1)" "*Too many links*
*Disk quota exceeded"
finish profile

configure mapped "$(bundle counting) | .linux.namespaces += [{type: \"user\"}]
  | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings"
chmod 755 "$work"
chown -R 100000:100000 "$work/mapped"
expect 'a container in a user namespace starts' "$(begin mapped)" ''
expect 'its command and exec count together' \
  "$(tell mapped 'cd /tmp; mkdir 1 2 3; echo $?'; wrapped exec mapped mkdir /tmp/4 /tmp/5 /tmp/6 2>&1)" "0
*'/tmp/6': Disk quota exceeded"
finish mapped

configure entry "del(.annotations) | .process.args = [\"/launcher/launcher\", \"run\", \"/launcher/unprivileged.pcl\"] + .process.args
  | .mounts += [{destination: \"/launcher\", type: \"bind\", source: \"$work/entry/parts\", options: [\"rbind\", \"ro\"]},
    {destination: \"/sys\", type: \"bind\", source: \"/sys\", options: [\"rbind\", \"ro\"]}]"
mkdir "$work/entry/parts"
cp "$PORTCULLIS_LAUNCHER" "$work/bundles/unprivileged.pcl" "$work/entry/parts"
expect 'the launcher is an entry point' "$(begin entry)" ''
expect 'its command is confined' "$(tell entry 'cd /tmp; mkdir 1 2 3 4 5 6 2>&1')" "*'6': Disk quota exceeded"
expect 'exec has no policy then' "$(wrapped exec entry mkdir /tmp/6; echo $?)" 0
finish entry

# ── What does not start ──────────────────────────────────────────────────────────────────────────────────────────────

# refused TITLE FILTER EXPECTED: the container is not created
refused() {
  configure refused "$2"
  expect "$1: no container" "$(create refused)" "$3"
  expect "$1: nothing remains" "$(status_of refused)" ''
  finish refused 2>/dev/null
  rm -r "$work/refused"
}
refused 'a bundle that is missing' "$(bundle none)" '125*none.pcl*ENOENT*is not created'
refused 'a path as a bundle' "$(bundle ../bundles/counting)" '125*is no name of a bundle'
refused 'an empty name' "$(bundle '')" '125*is no name of a bundle'
refused 'an annotation that is no text' '.annotations = {"portcullis.bundle": 7}' '125*cannot be read'
head -c 4000 "$work/bundles/counting.pcl" >"$work/bundles/cut.pcl"
refused 'a damaged bundle' "$(bundle cut)" '125*the bundle cannot be used*'
refused 'a policy that needs Landlock' "$(bundle objects)" '125*needs Landlock*'

configure gains "$(bundle counting) | .process.noNewPrivileges = false"
expect 'a command that could gain privileges does not start' "$(begin gains 2>&1)" '*noNewPrivileges*status 125'
sleep 1
expect 'it is killed' "$(status_of gains)" stopped
finish gains
configure gone "$(bundle counting)"
create gone
mv "$work/bundles/counting.pcl" "$work/bundles/moved.pcl"
expect 'a bundle that has gone since' "$(wrapped start gone 2>&1; echo $?)" '*ENOENT*125'
expect 'the command does not run' "$(status_of gone)" created
mv "$work/bundles/moved.pcl" "$work/bundles/counting.pcl"
finish gone
configure plainly "$(bundle counting)"
create plainly
plain start plainly
expect 'exec into a container that was started without the policy' "$(wrapped exec plainly true 2>&1; echo $?)" '*no record*125'
finish plainly

configure words "$(bundle counting)"
expect 'run is refused' "$(wrapped run --bundle "$work/words" words 2>&1; echo $?)" '*in two steps*125'
for each in '--roo x state words' 'exec --fancy words true' 'exec -u0 words true' 'create -x words'; do
  # shellcheck disable=SC2086
  expect "unknown options: $each" "$(deploy/crun/portcullis-crun $each 2>&1; echo $?)" '*unknown option*125'
done
expect 'an ordinary user' \
  "$(setpriv --reuid 65534 --clear-groups "$PORTCULLIS_LAUNCHER" container check "$work/bundles/counting.pcl" 2>&1; echo $?)" \
  '*CAP_SYS_ADMIN*125'
configure free 'del(.annotations)'
expect 'a container without the annotation has no policy' \
  "$(begin free; wrapped exec free mkdir /tmp/1 /tmp/2 /tmp/3 /tmp/4 /tmp/5 /tmp/6; echo $?)" 0
finish free

rm -rf "$work" /tmp/[1-5]
echo "1..$case_"
exit $failed
