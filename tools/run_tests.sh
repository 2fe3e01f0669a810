#!/usr/bin/env bash
# Set up what is missing, then check style, types and docstrings, and run all tests:
# bash tools/run_tests.sh [arguments of pytest]
set -euo pipefail
# shellcheck source=tools/install.sh
source "$(dirname "${BASH_SOURCE[0]}")/install.sh" tests docs
cd "$ROOT"
if git rev-parse --is-inside-work-tree > /dev/null 2>&1; then
    pre-commit run --all-files
fi
# One thread a process: the processes themselves fill the cores.
OMP_NUM_THREADS=1 exec python -m pytest -n auto --dist loadfile "$@"
