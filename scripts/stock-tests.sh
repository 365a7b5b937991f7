#!/bin/sh
# Fetches the tests of jupyter-server-ydoc, in the version that is installed, from its source
# distribution on PyPI into .cache/stock-tests. Some of them are run against a door.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python="$root/.venv/bin/python"
version=$("$python" -c 'from importlib.metadata import version; print(version("jupyter-server-ydoc"))')
target="$root/.cache/stock-tests/$version"

[ ! -f "$target/test_handlers.py" ] || exit 0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip download -q --no-deps --no-binary :all: --no-build-isolation \
    --dest "$folder" "jupyter-server-ydoc==$version" >"$folder/log" 2>&1 ||
    { tail -n 20 "$folder/log" >&2; exit 1; }
tar -xzf "$folder"/jupyter_server_ydoc-*.tar.gz -C "$folder"
mkdir -p "$target"
cp "$folder"/jupyter_server_ydoc-*/tests/test_documents.py "$folder"/jupyter_server_ydoc-*/tests/test_handlers.py "$target"
echo "packages: fetched the tests of jupyter-server-ydoc $version"
