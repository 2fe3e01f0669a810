#!/usr/bin/env bash
# Test with N processes: bash tools/dist_test.sh CONFIG CHECKPOINT N [arguments of test.py]
# Several nodes with one shared folder: set NNODES, NODE_RANK, MASTER_ADDR and PORT.
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}" exec python "$TOOLS/launch.py" \
    "$3" "$TOOLS/test.py" "$1" "$2" --launcher pytorch "${@:4}"
