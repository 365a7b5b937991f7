#!/bin/bash
# Every static check, all of them even when one fails; then the names of those that failed.
set -u
cd "$(dirname -- "$0")/.."

failed=()
check() {
    local name=$1
    shift
    printf '%s ' "--- $name"
    local output
    if output=$("$@" 2>&1 </dev/null); then
        echo "ok"
    else
        printf 'FAILED\n%s\n' "$output"
        failed+=("$name")
    fi
}

check "ruff check" ruff check --quiet .
check "ruff format" ruff format --quiet --check .
check "mypy" mypy
check "import directions" lint-imports --no-cache
cd labextension || exit 1
check "tsc" npm run --silent lint:types
check "eslint" npm run --silent lint:eslint
check "prettier" npm run --silent lint:prettier
check "stylelint" npm run --silent lint:stylelint
check "generated API client" npm run --silent api:check

if [ ${#failed[@]} -gt 0 ]; then
    printf 'lint: failed:'
    printf ' [%s]' "${failed[@]}"
    echo
    exit 1
fi
echo "lint: all passed"
