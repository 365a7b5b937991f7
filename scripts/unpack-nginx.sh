#!/bin/sh
# Unpacks nginx from Debian's or Ubuntu's package into .cache/nginx, without installing it.
# A test puts it before the server as a reverse proxy.
set -eu
target=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)/.cache/nginx

[ ! -x "$target/usr/sbin/nginx" ] || exit 0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder" # apt fetches as a user of its own
cd "$folder"
{
    apt-get -q download nginx || { apt-get -q update && apt-get -q download nginx; }
    mkdir -p "$target"
    dpkg-deb --extract nginx_*.deb "$target"
} >log 2>&1 </dev/null || { tail -n 20 log >&2; exit 1; }
echo "packages: unpacked nginx"
