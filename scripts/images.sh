#!/bin/sh
# Builds the sandbox images, or finds them built. Whoever comes while another builds waits for it.
set -eu
cd "$(dirname -- "$0")/.."
mkdir -p .cache
if command -v flock >/dev/null 2>&1; then
    exec 9>.cache/images.lock
    flock 9
fi
exec .venv/bin/python -m interview_ext.sandbox.images build "$@"
