#!/bin/sh
# Compiles the one part of the benchmark's peers that is not JavaScript, SQLite for Hocuspocus, with
# the headers that came with node; run in the folder that has its node_modules.
set -eu
prefix=$(node -p 'require("path").resolve(process.execPath, "../..")')
npm rebuild sqlite3 --build-from-source --nodedir="$prefix" --no-audit --no-fund >node_modules/.build.log 2>&1 || {
    tail -n 15 node_modules/.build.log >&2
    echo "bench: SQLite for Hocuspocus could not be compiled (a C++ compiler, make and node's headers are needed)" >&2
    exit 1
}
