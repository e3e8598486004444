#!/bin/sh
# Writes the OCI seccomp profile of each policy of a ConfigMap, and writes them again when the ConfigMap changes: a
# profile has its policy's digest, and the agent refuses a container whose digest is another.
# Usage: export-profiles POLICIES PROFILES
set -u
policies=$1 profiles=$2
exported=none

while :; do
  # The kubelet replaces all files of a ConfigMap at once, by this link.
  version=$(readlink "$policies/..data")
  if [ "$version" != "$exported" ]; then
    for policy in "$policies"/*.ts "$policies"/*.json; do
      [ -e "$policy" ] || continue
      name=${policy##*/}
      # A policy that does not compile leaves its last profile, which the agent then refuses.
      portcullis export oci -p "$policy" -o "$profiles/${name%.*}.json" && echo "exported: ${name%.*}"
    done
    exported=$version
  fi
  sleep 2
done
