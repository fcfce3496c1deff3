#!/bin/sh
# The project's own Python environment: made where it is missing, filled from the pinned and hashed requirements.
#
#   scripts/environment.sh DIRECTORY serve|dev
#
# Works with a Python that lacks ensurepip (as Debian's does without python3-venv): the environment is then made
# without pip, and another pip fills it. PYTHON names the interpreter to use; else the first fitting one is taken.
set -eu

venv=$1
kind=$2
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$here"

say() { printf 'netplay: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }
fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        fits "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer; name one that is."
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python3.11 python3.12 python3.13 python3.14 python; do
        if command -v "$candidate" >/dev/null 2>&1 && fits "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    found=$(python3 --version 2>/dev/null || echo "no python3")
    fail "Python 3.11 or newer is needed (here: $found). Install it, or name one with: make serve PYTHON=/path/to/python3.11"
}

base=$(find_python)
if ! fits "$venv/bin/python"; then
    say "making the environment $venv with $("$base" --version 2>&1)"
    "$base" -m venv --clear --without-pip "$venv" ||
        fail "$base cannot make an environment: its venv module is missing (Debian: apt-get install python3-venv)."
fi

python=$venv/bin/python
if "$python" -m pip --version >/dev/null 2>&1; then
    pip() { "$python" -m pip "$@"; }
elif "$base" -m pip --python "$python" --version >/dev/null 2>&1; then
    pip() { "$base" -m pip --python "$python" "$@"; }
elif "$python" -m ensurepip --default-pip >/dev/null 2>&1; then
    pip() { "$python" -m pip "$@"; }
else
    fail "no pip found for $base, and it has no ensurepip. Install one (Debian: apt-get install python3-pip) and run make again."
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0
say "installing requirements/$kind.txt (pinned and hashed) into $venv"
pip install --quiet --require-hashes -r "requirements/$kind.txt" ||
    fail "the requirements could not be installed; what pip said stands above."
# Newer pips pass on a warning of the build about any editable installation: only a failure is worth showing.
told=$(pip install --quiet --no-deps --no-build-isolation --editable . 2>&1) || {
    printf '%s\n' "$told" >&2
    fail "the project itself could not be installed; what pip said stands above."
}

touch "$venv/.installed-serve"
[ "$kind" = serve ] || touch "$venv/.installed-$kind"
