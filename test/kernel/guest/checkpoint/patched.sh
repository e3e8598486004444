#!/bin/sh
# A tree under eBPF filters is dumped and restored on the patched kernel, with the plugin of kernel/criu.
. test/kernel/guest/checkpoint/lib.sh
work=/tmp/checkpoint

start $work/tree dist/native/x64/launcher run "$BUNDLE"
had=$(filters)
expect "before" "$(tell $work/tree "main mkdir" "thread mkdir" "child mkdir" "thread rmdir" "child rmdir" "main link")" \
  "ok ok ok ENOENT ENOENT EMLINK "
# So far: three directories; main and thread two removals with that of the start, child one.
expect "a room keeps calls apart" "$(tell $work/tree "main apart")" "EDEADLK "
expect "without the plugin, CRIU does not dump it" "$(dump $work/without | cut -c1-6)" failed
expect "which changes nothing" "$(tell $work/tree "main link")" "EMLINK "
expect "a dump that lets it go on" "$(dump $work/running --libdir "$PLUGIN" --leave-running)" ok
expect "which changes nothing either" "$(tell $work/tree "main link" "child mkdir")" "EMLINK ok "
expect "dump" "$(dump $work/images --libdir "$PLUGIN")" ok
expect "the processes are gone" "$(count)" 0
expect "without the plugin, CRIU does not restore it" "$(restore $work/images | cut -c1-6)" failed
expect "no process is left of that" "$(count)" 0
expect "restore" "$(restore $work/images --libdir "$PLUGIN")" ok
expect "each thread has as many filters" "$(filters)" "$had"
expect "the tree's directories go on" "$(tell $work/tree "child mkdir" "main mkdir" "thread mkdir" "child mkdir")" \
  "ok EDQUOT EDQUOT EDQUOT "
expect "the processes' removals go on" "$(tell $work/tree "thread rmdir" "main rmdir" "child rmdir" "child rmdir" "child rmdir")" \
  "ENOENT EDQUOT ENOENT ENOENT EDQUOT "
expect "as many processes live as did" "$(tell $work/tree "child fork" "main fork")" "ok EAGAIN "
expect "what is always denied still is" "$(tell $work/tree "thread link")" "EMLINK "

expect "the room keeps calls apart" "$(tell $work/tree "main apart" "child apart")" "EDEADLK EDEADLK "
expect "it is dumped once more" "$(dump $work/again --libdir "$PLUGIN")" ok
expect "and restored" "$(restore $work/again --libdir "$PLUGIN")" ok
expect "with all it has counted" "$(tell $work/tree "main mkdir" "child rmdir" "main rmdir" "main fork")" \
  "EDQUOT EDQUOT EDQUOT EAGAIN "
end_all

# Images that are damaged, or cannot be used
for offset in 0 4 8 200; do
  cp -a $work/images $work/damaged
  printf '\377\377\377\377' | dd of=$work/damaged/seccomp-ebpf.img bs=1 seek=$offset conv=notrunc 2>/dev/null
  expect "damaged at byte $offset" "$(restore $work/damaged --libdir "$PLUGIN" | cut -c1-6) $(count)" "failed 0"
  rm -rf $work/damaged
done
cp -a $work/images $work/damaged
truncate -s -8 $work/damaged/seccomp-ebpf.img
expect "the image of the filters is too short" "$(restore $work/damaged --libdir "$PLUGIN" | cut -c1-6) $(count)" "failed 0"
rm $work/damaged/seccomp-ebpf.img
expect "there is no image of the filters" "$(restore $work/damaged --libdir "$PLUGIN" | cut -c1-6) $(count)" "failed 0"
echo 0 >/proc/sys/kernel/seccomp/ebpf
expect "eBPF filters are switched off: no process survives" "$(restore $work/images --libdir "$PLUGIN" | cut -c1-6) $(count)" "failed 0"

finish
