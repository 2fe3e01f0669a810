#!/usr/bin/env bash
# Train with N processes: bash tools/dist_train.sh CONFIG N [arguments of train.py]
# Several nodes: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each of them.
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}" exec python "$TOOLS/launch.py" \
    "$2" "$TOOLS/train.py" "$1" --launcher pytorch "${@:3}"
