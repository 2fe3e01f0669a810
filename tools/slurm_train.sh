#!/usr/bin/env bash
# Train under Slurm: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR N
#   [arguments of train.py]; GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS may be set.
set -euo pipefail
if [ $# -lt 5 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
# shellcheck source=tools/slurm.sh
source "$(dirname "$0")/slurm.sh"
slurm "$1" "$2" "$5" train.py "$3" --work-dir "$4" "${@:6}"
