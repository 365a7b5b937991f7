#!/bin/sh
# Shows the built front end to the JupyterLab of .venv by a link, so that a new build needs no new install.
#
#   scripts/link-labextension.sh            make the link
#   scripts/link-labextension.sh --remove   take it away
set -eu
cd "$(dirname -- "$0")/.."

extensions=.venv/share/jupyter/labextensions
link=$extensions/jupyter-interview-rooms
target=$PWD/interview_ext/labextension

if [ "${1:-}" = --remove ]; then
    [ ! -L "$link" ] || rm "$link"
elif [ "$(readlink "$link" 2>/dev/null)" != "$target" ]; then
    rm -rf "$link"
    mkdir -p "$extensions"
    ln -s "$target" "$link"
fi
