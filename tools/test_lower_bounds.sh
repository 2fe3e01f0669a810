#!/usr/bin/env bash
# Test with the oldest versions that requirements/runtime.txt allows:
#   bash tools/test_lower_bounds.sh [FOLDER_OF_THE_ENVIRONMENT] [arguments of pytest]
# Makes a virtual environment (about 6 GB with CUDA's libraries) and runs the tests of the
# reference numbers, the libraries underneath, checkpoints, training and tracking.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv_low}
shift || true
if [ ! -d "$venv" ]; then
    ${PYTHON:-python3} -m venv "$venv"
fi
source "$venv/bin/activate"
bounds=$(mktemp)
trap 'rm -f "$bounds"' EXIT
sed -E 's/>=([0-9.]+)/==\1.*/' requirements/runtime.txt > "$bounds"
pip install --quiet -r "$bounds" -r requirements/tests.txt
MMCV_WITH_OPS=0 pip install --quiet --no-deps --no-build-isolation -r requirements/openmmlab.txt
pip install --quiet --no-deps -r requirements/toolkits.txt
pip freeze | grep -iE "^($(grep -oE '^[a-z_-]+==' "$bounds" | sed 's/==//' | paste -sd '|'))=="
if [ $# -eq 0 ]; then
    set -- tests/test_parity_*.py tests/test_compat.py tests/test_checkpoints.py tests/test_weights.py \
        tests/test_models tests/test_frames tests/test_structures tests/test_tracking \
        tests/test_apis tests/test_engine tests/test_tools/test_convert_official.py \
        tests/test_tools/test_train.py
fi
OMP_NUM_THREADS=1 PYTHONPATH=$PWD python -m pytest -q "$@"
