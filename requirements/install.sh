#!/bin/sh
# Install a lock file and care_bench itself into .venv: install.sh run|dev PYTHON. Called by make.
set -u
lock=requirements/$1.lock
python=$2
log=.venv/setup.log

fail() {
    echo "setup: $1" >&2
    exit 1
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    || fail "$python is not Python 3.11 or newer ($("$python" --version 2>&1)); name one with make PYTHON=python3.12"

echo "setup: installing $lock into .venv (details in $log)"
uv=$(command -v uv) || uv=
if [ ! -x .venv/bin/python ]; then
    rm -rf .venv
    if [ -n "$uv" ]; then
        "$uv" venv -q --python "$python" .venv || fail "uv could not make .venv"
    else
        "$python" -m venv .venv || fail "$python -m venv failed; install your system's python3-venv, or uv"
    fi
fi
if [ -z "$uv" ]; then
    uv=.venv/bin/uv
    [ -x "$uv" ] || .venv/bin/python -m pip install --quiet uv >"$log" 2>&1 || fail "pip could not install uv, see $log"
fi
"$uv" pip install --python .venv/bin/python --compile-bytecode --require-hashes -r "$lock" >"$log" 2>&1 \
    || fail "installing $lock failed: $(tail -n 1 "$log") (all of it in $log)"
"$uv" pip install --python .venv/bin/python --no-deps --no-build-isolation -e . >>"$log" 2>&1 \
    || fail "installing care_bench failed: $(tail -n 1 "$log") (all of it in $log)"
.venv/bin/python -m compileall -q care_bench
touch ".venv/$1.stamp"
