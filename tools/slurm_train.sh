#!/usr/bin/env bash
# Train under Slurm: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR N
#   [arguments of train.py]; GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS may be set.
set -euo pipefail
if [ $# -lt 5 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")" && pwd)
PER_NODE=${GPUS_PER_NODE:-$(($5 < 8 ? $5 : 8))}
export PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}"
# shellcheck disable=SC2086
exec srun --partition="$1" --job-name="$2" --gres="gpu:$PER_NODE" --ntasks="$5" \
    --ntasks-per-node="$PER_NODE" --cpus-per-task="${CPUS_PER_TASK:-8}" \
    --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    python -u "$TOOLS/train.py" "$3" --work-dir "$4" --launcher slurm "${@:6}"
