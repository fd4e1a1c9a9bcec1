#!/usr/bin/env bash
# Everything that needs a GPU, in one call of at most nine minutes; writes one JSON file. Exit code 1: a target is missed or
# a part fails; 3: time ran out before all was done.
#
#     benchmarks/gpu.sh OUT.json [FOLDER_OF_WHEELS]
#
# It needs Python with torch 2.11 or newer. What else is missing comes from the wheels, without a network; they are put in
# a temporary folder. PYTHON names another Python. Further arguments go to `python -m benchmarks.gpu`, such as --toy.
set -euo pipefail
if [ $# -lt 1 ]; then
    echo "gpu.sh: expected the JSON file to write, and perhaps a folder of wheels" >&2
    exit 2
fi
out=$(realpath -m -- "$1")
wheels=
shift
if [ $# -gt 0 ] && [ -d "$1" ]; then
    wheels=$(realpath -- "$1")
    shift
fi
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
if [ -n "$wheels" ]; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$wheels"/*.whl
    export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
fi
"$python" -m benchmarks.gpu "$out" "$@"
