#!/usr/bin/env bash
# Train with N processes: bash tools/dist_train.sh CONFIG N [arguments of train.py]
# Several nodes: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each of them.
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}"
exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$2" \
    "$TOOLS/train.py" "$1" --launcher pytorch "${@:3}"
