#!/bin/sh
# What CRIU alone, on the stock kernel, keeps of a policy's filters, and what it loses.
. test/kernel/guest/checkpoint/lib.sh
work=/tmp/checkpoint

# A policy without state, none of whose verdicts is told to a supervisor, is a classic filter.
start $work/static bin/portcullis run -q --no-denial-events -p $here/static.ts
had=$(filters)
expect "a static policy" "$(tell $work/static "main link" "child link" "main mkdir")" "EMLINK EMLINK ok "
expect "dump" "$(dump $work/static-images) $(count)" "ok 0"
expect "restore" "$(restore $work/static-images)" ok
expect "each thread has as many filters" "$(filters)" "$had"
expect "it is in force" "$(tell $work/static "main link" "thread link" "child link" "child mkdir")" "EMLINK EMLINK EMLINK ok "
end_all

# The state of a policy is its supervisor's, which is not part of the tree.
start $work/counting bin/portcullis run -q --no-denial-events --engine notify -p $here/counting.ts
expect "a policy with state" "$(tell $work/counting "main mkdir" "child mkdir" "main link" "child fork")" "ok ok EMLINK ok "
expect "dump" "$(dump $work/counting-images) $(count)" "ok 0"
expect "restore" "$(restore $work/counting-images)" ok
expect "no call that asks for state passes" "$(tell $work/counting "main mkdir" "child mkdir" "child fork" "child link")" \
  "ENOSYS ENOSYS ENOSYS EMLINK "
end_all

finish
