#!/bin/sh
# Installs the requirements of a make target: Debian packages by name (as root, from Debian's archive), and the npm
# packages of package-lock.json. Without root it lists the missing packages and fails.
# Usage: tools/setup.sh PACKAGE...
set -eu
cd "$(dirname "$0")/.."

node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null || {
  echo "portcullis needs Node 20.19 or newer: $(node --version 2>/dev/null || echo 'node is not installed')" >&2
  exit 1
}

missing=""
for package in "$@"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
# Accept any installed compiler instead of Debian's.
case " $missing " in
  *" gcc "*) command -v cc >/dev/null 2>&1 && missing=$(printf '%s' " $missing " | sed 's/ gcc / /') ;;
esac
missing=$(printf '%s' "$missing" | tr -s ' ' | sed 's/^ *//; s/ *$//')
if [ -n "$missing" ]; then
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "missing: $missing (Debian's names; this system has no apt-get; install the equivalent packages)" >&2
    exit 1
  fi
  if [ "$(id -u)" != 0 ]; then
    echo "missing packages; as root: apt-get install $missing" >&2
    exit 1
  fi
  echo "installing: $missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  apt-get -qq update && apt-get -qq -o Dpkg::Use-Pty=0 --no-install-recommends install -y $missing >/dev/null
fi

# A copy of the lock file in node_modules shows whether node_modules is up to date.
stamp=node_modules/.portcullis-lock
if ! [ -f "$stamp" ] || ! cmp -s package-lock.json "$stamp"; then
  npm ci --no-fund --no-audit --loglevel=error
  cp package-lock.json "$stamp"
fi
