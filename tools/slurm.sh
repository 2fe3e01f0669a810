# Run a command in N processes under Slurm: slurm PARTITION JOB_NAME N SCRIPT [arguments]
# GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS may be set. To be sourced.
TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

slurm() {
    local per_node=${GPUS_PER_NODE:-$(($3 < 8 ? $3 : 8))}
    export PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}"
    # shellcheck disable=SC2086
    exec srun --partition="$1" --job-name="$2" --gres="gpu:$per_node" --ntasks="$3" \
        --ntasks-per-node="$per_node" --cpus-per-task="${CPUS_PER_TASK:-8}" \
        --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
        python -u "$TOOLS/$4" "${@:5}" --launcher slurm
}
