#!/bin/sh
# Usage: kernels-of-parts.sh PARTS
# Prints the kernels that the tests need with these parts of test/support/parts.ts, which are separated by commas: `make test`
# builds them. The vulnerable kernel is built from the objects of the patched one.
set -eu
kernels=patched
for part in $(printf '%s' "$1" | tr , ' '); do
  case $part in
    kernel | machine) kernels="$kernels stock" ;;
    bench | exploits) kernels="$kernels stock vulnerable" ;;
    kernels) kernels="$kernels stock vulnerable recent" ;;
  esac
done
printf '%s\n' $kernels | sort -u
