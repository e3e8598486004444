#!/bin/sh
# Unpacks Debian packages to build/packages/NAME without installing them: their programs start no service of the machine.
# Usage: tools/unpack.sh PACKAGE...
set -eu
cd "$(dirname "$0")/.."

for package in "$@"; do
  to="build/packages/$package"
  ! [ -e "$to" ] || continue
  echo "unpacking: $package"
  fresh="$to.$$"
  mkdir -p "$fresh"
  # The lists of packages can be older than the archive, or missing.
  if (cd "$fresh" && { apt-get -qq download "$package" || { apt-get -qq update && apt-get -qq download "$package"; }; } &&
    dpkg-deb -x ./*.deb . && rm ./*.deb) >/dev/null 2>&1; then
    mv "$fresh" "$to"
  else
    rm -rf "$fresh"
    echo "$package cannot be downloaded from Debian's archive: the tests that need it are skipped" >&2
  fi
done
