#!/usr/bin/env bash
# Test with N processes: bash tools/dist_test.sh CONFIG CHECKPOINT N [arguments of test.py]
# Several nodes with one shared folder: set NNODES, NODE_RANK, MASTER_ADDR and PORT.
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}"
exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$3" \
    "$TOOLS/test.py" "$1" "$2" --launcher pytorch "${@:4}"
