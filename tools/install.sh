#!/usr/bin/env bash
# Install sstrack_mm and all it needs: bash tools/install.sh [GROUP...]
# Into the active virtual environment (venv or conda), else into .venv at the repository
# root. Each GROUP (tests, optional) adds requirements/GROUP.txt. What is installed
# already is not installed again.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SUPPORTED='import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'

find_python() {
    for candidate in python3 python3.12 python3.11 python3.10; do
        if "$candidate" -c "$SUPPORTED" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo 'Python 3.10, 3.11 or 3.12 is needed, and none of them was found.' >&2
    return 1
}

activate() {
    if [ -n "${VIRTUAL_ENV:-}" ] || [ -n "${CONDA_PREFIX:-}" ]; then
        if ! python -c "$SUPPORTED"; then
            echo "The active environment has $(python --version 2>&1); Python 3.10, 3.11" \
                'or 3.12 is needed.' >&2
            return 1
        fi
        return
    fi
    if [ ! -x "$ROOT/.venv/bin/python" ]; then
        local python
        python=$(find_python)
        echo "Creating $ROOT/.venv with $("$python" --version)"
        "$python" -m venv "$ROOT/.venv"
    fi
    # shellcheck disable=SC1091
    source "$ROOT/.venv/bin/activate"
}

# Run a step unless its stamp says that it was run with the same files before.
once() {
    local name=$1 stamp
    shift
    stamp=$(python -c 'import sys; print(sys.prefix)')/.sstrack_mm_$name
    local state
    state=$(cat "$ROOT"/requirements/*.txt "$ROOT/setup.cfg" <(echo "$ROOT") | cksum)
    if [ "$(cat "$stamp" 2>/dev/null)" != "$state" ]; then
        echo "Installing: $name"
        "$@"
        echo "$state" > "$stamp"
    fi
}

install_package() {
    python -m pip install -r "$ROOT/requirements/runtime.txt"
    # mmcv-lite's setup needs the setuptools of runtime.txt, so no build isolation; and
    # the set's own lists pin versions that are gone, so no dependencies.
    MMCV_WITH_OPS=0 python -m pip install --no-deps --no-build-isolation \
        -r "$ROOT/requirements/openmmlab.txt"
    python -m pip install --no-deps --no-build-isolation -e "$ROOT"
}

install_group() {
    python -m pip install -r "$ROOT/requirements/$1.txt"
    if [ "$1" = tests ]; then
        python -m pip install --no-deps -r "$ROOT/requirements/toolkits.txt"
    fi
}

activate
once package install_package
for group in "$@"; do
    once "$group" install_group "$group"
done
