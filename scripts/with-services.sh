#!/bin/bash
# Runs a command with a container engine answering, and afterwards stops the engine if it was this
# script that started it. Where none can be started the command runs all the same, without.
#
#   scripts/with-services.sh COMMAND…
set -u
cd "$(dirname -- "$0")/.."
mkdir -p .cache
log=.cache/services.log
: >"$log"

stop=false
if ! scripts/services.sh docker-status; then
    if scripts/services.sh docker-start; then stop=true; fi
fi
finish() {
    # What is said here goes to the log: the command's own last line stays the last.
    if $stop; then scripts/services.sh docker-stop >>"$log" 2>&1 || cat "$log" >&2; fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"$@"
