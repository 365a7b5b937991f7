#!/bin/bash
# All tests: Jest, and beside it one run of pytest over its folders, three files at a time (half of
# their time most of them wait), in an order in which a basic fault shows first. pytest's closing
# line comes last, and stays in .cache/closing-line.
# Arguments go to pytest. `make test` calls this with the services running.
set -u -o pipefail
cd "$(dirname -- "$0")/.."
mkdir -p .cache
rm -f .cache/closing-line

# Building the images takes minutes of waiting for the network. Nothing before the first test with
# a sandbox needs them, and that one waits (tests/conftest.py).
images=''
if scripts/services.sh docker-status >/dev/null 2>&1; then
    scripts/images.sh >.cache/images.log 2>&1 </dev/null &
    images=$!
fi

(cd labextension && npm test --silent) >.cache/jest.log 2>&1 </dev/null &
jest=$!

folders=()
for name in unit contract architecture server sandbox execution collab fabric media hub whole ui; do
    [ ! -d "tests/$name" ] || folders+=("tests/$name")
done
echo "--- pytest ${folders[*]}"
status=0
python -m pytest -n 3 --dist loadfile --no-loadscope-reorder "${folders[@]}" "$@" </dev/null | tee .cache/pytest.log || status=$?
[ -z "$images" ] || wait "$images"
echo "--- jest"
wait "$jest" || status=$?
cat .cache/jest.log

tail -n 1 .cache/pytest.log | tee .cache/closing-line
exit "$status"
